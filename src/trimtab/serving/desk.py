"""What is asked of a running server beside answers: what it offers, changes of that, and receipts."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from trimtab.errors import UsageError
from trimtab.serving.bank import Bank
from trimtab.serving.settings import Settings

Workers = Callable[[str, tuple[Any, ...]], Awaitable[list[Any]]]
"""Calls a method of every worker with some arguments, and returns what they return."""


class Desk:
    """Changes what a server offers, one change at a time.

    Attributes:
        bank: What it offers.
    """

    def __init__(self, settings: Settings, bank: Bank, workers: Workers) -> None:
        self.bank, self._settings, self._workers = bank, settings, workers
        self._lock = asyncio.Lock()

    async def add(self, asked: object) -> dict[str, Any]:
        """Offer an artifact of the bank's folder; one of the same name and target is replaced.

        Args:
            asked: ``{"name": the artifact's folder}``.

        Returns:
            What is told of it.

        Raises:
            TrimtabError: There is none of that name, it is broken or for another model, or there is no room for it.
        """
        if not isinstance(asked, Mapping) or set(asked) != {"name"}:
            raise UsageError(
                '`name` must be all that is asked for an artifact, such as {"name": "l2s-image"}; got '
                f"{asked!r:.100}; name a folder of the bank."
            )
        name = asked["name"]
        async with self._lock:
            folder = self._settings.folder(name)
            offer = await asyncio.to_thread(self.bank.read, name, folder)
            refused = [reason for reason in await self._all("trimtab_add", name, str(folder), offer.digest) if reason]
            if refused:
                await self._drop({offer.digest} - {own.digest for own in self.bank})
                raise UsageError(refused[0])
            await self._drop(self.bank.put(offer))
            return offer.about()

    async def remove(self, name: str, target: str | None) -> None:
        """Stop offering an artifact, or those of all targets under a name; requests that began with it go on.

        Raises:
            UsageError: There is none.
        """
        async with self._lock:
            await self._drop(self.bank.remove(name, target))

    async def _drop(self, digests: Iterable[str]) -> None:
        for digest in digests:
            await self._all("trimtab_remove", digest)

    async def _all(self, method: str, *arguments: object) -> list[Any]:
        return await self._workers(method, arguments)


def is_operator(authorization: str | None, key: str) -> bool:
    """Say whether a header ``Authorization: Bearer KEY`` has the operators' key."""
    scheme, _, given = (authorization or "").partition(" ")
    own, theirs = (hashlib.sha256(text.encode()).digest() for text in (key, given))
    return secrets.compare_digest(own, theirs) and scheme.lower() == "bearer"
