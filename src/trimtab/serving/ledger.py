"""The receipts of the latest steered answers, kept so that they can be asked for: a stream carries none."""

from __future__ import annotations

import re
from collections import Counter, OrderedDict
from typing import Any

KEPT = 4096
"""Answers whose receipts are kept."""
PART = re.compile(r"[-_]\d+")
"""What vLLM puts behind a request's id where one request asks several prompts."""


class Ledger:
    """Receipts by the id of the request that they belong to, the latest ones.

    Attributes:
        steered: Steered answers so far, by artifact and target.
        failed: Those of them that could not be given.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self.steered: Counter[tuple[str, str]] = Counter()
        self.failed: Counter[tuple[str, str]] = Counter()
        self._kept = kept
        self._found: OrderedDict[tuple[str, int], dict[str, Any]] = OrderedDict()

    def note(self, request: str, choice: int, receipt: dict[str, Any]) -> None:
        """Keep the receipt of a choice of a request; it takes the place of the one before, which told of less.

        Args:
            request: The request's id.
            choice: Which of its answers, counted from 0.
            receipt: What was done so far.
        """
        key, before = (request, choice), self._found.get((request, choice))
        for part in receipt["artifacts"]:
            kind = part["artifact"], part["target"]
            self.steered[kind] += before is None
            self.failed[kind] += "error" in receipt and "error" not in (before or {})
        self._found[key] = receipt
        if len(self._found) > self._kept:
            self._found.popitem(last=False)

    def receipts(self, request: str) -> list[dict[str, Any]]:
        """Return the receipts of a request's answers, in their order; none if it was plain, or too long ago."""
        found = [
            (name, choice)
            for name, choice in self._found
            if name == request or (name.startswith(request) and PART.fullmatch(name[len(request) :]))
        ]
        return [self._found[key] for key in sorted(found)]

    def error(self, request: str) -> str | None:
        """Return why a request was not answered; None if that is not known."""
        return next((receipt["error"] for receipt in self.receipts(request) if "error" in receipt), None)
