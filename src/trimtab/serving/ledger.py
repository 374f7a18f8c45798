"""The receipts of the latest steered answers, kept so that they can be asked for: a stream carries none."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from typing import Any

KEPT = 4096
"""Answers whose receipts are kept."""


class Ledger:
    """Receipts by the name of the request that they belong to, the latest ones.

    Clients choose names, so two requests may have the same one; the later one counts then.

    Attributes:
        steered: Steered answers so far, by artifact and target.
        failed: Those of them that could not be given.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.steered: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self._kept = kept
        self._found: OrderedDict[tuple[str, str, int], dict[str, Any]] = OrderedDict()
        self._latest: dict[str, str] = {}

    def note(self, name: str, request: str, choice: int, receipt: dict[str, Any]) -> None:
        """Keep the receipt of a choice of a request; it takes the place of the one before, which told of less.

        Args:
            name: What the client knows the request by.
            request: The request's own id, which no other one has.
            choice: Which of its answers, counted from 0.
            receipt: What was done so far.
        """
        key = name, request, choice
        before = self._found.get(key)
        for part in receipt["artifacts"]:
            kind = part["artifact"], part["target"]
            self.steered[kind] += before is None
            self.failed[kind] += "error" in receipt and "error" not in (before or {})
        self._found[key], self._latest[name] = receipt, request
        if len(self._found) > self._kept:
            (name, request, _choice), _receipt = self._found.popitem(last=False)
            if self._latest.get(name) == request and (name, request) not in {key[:2] for key in self._found}:
                del self._latest[name]

    def receipts(self, name: str) -> list[dict[str, Any]]:
        """Return the receipts of a request's answers, in their order; none if it was plain, or too long ago."""
        names = [name] if name in self._latest else _parts(name, self._latest)
        return [
            receipt
            for one in names
            for (own, request, _choice), receipt in sorted(self._found.items(), key=lambda found: found[0])
            if (own, request) == (one, self._latest[one])
        ]

    def error(self, name: str) -> str | None:
        """Return why a request was not answered; None if that is not known."""
        return next((receipt["error"] for receipt in self.receipts(name) if "error" in receipt), None)


def _parts(name: str, known: dict[str, str]) -> list[str]:
    """Return the names that vLLM made of one, where one request asks several prompts, in their order."""
    between = "-" if name.startswith("cmpl-") else "_"
    part = re.compile(re.escape(name + between) + r"(\d+)")
    numbers = {int(found[1]): one for one in known if (found := part.fullmatch(one))}
    return [numbers[number] for number in sorted(numbers)]
