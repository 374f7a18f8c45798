"""How a long study tells what it is doing, without knowing who listens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of units just finished."""


class Progress(Protocol):
    """A listener, such as a progress bar."""

    def task(self, title: str, total: int) -> AbstractContextManager[Advance]:
        """Announce a task of ``total`` units; the block's value is called as units finish."""
        ...


def rescaled(advance: Advance, rows: int, units: int) -> Advance:
    """Return what tells ``advance`` of ``units`` in all while it is itself told of ``rows`` in all."""
    done = told = 0

    def in_units(n: int) -> None:
        nonlocal done, told
        done += n
        now = units * done // rows
        advance(now - told)
        told = now

    return in_units


class Silent:
    """Listens and shows nothing."""

    @contextmanager
    def task(self, title: str, total: int) -> Iterator[Advance]:
        """Ignore a task."""
        yield lambda n: None
