"""How long work tells what it is doing, without knowing who listens: the type of every ``progress=``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

Advance = Callable[[int], None]
"""Called with the number of units just finished."""


class Progress(Protocol):
    """A listener, such as progress bars; anything with this one method will do."""

    def task(self, name: str, total: int) -> AbstractContextManager[Advance]:
        """Announce a task of ``total`` units; the block's value is called with the number of units just finished."""
        ...


@dataclass(frozen=True)
class Silent:
    """Listens and shows nothing."""

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Ignore a task."""
        yield lambda n: None


SILENT = Silent()
"""What is told where nobody asked to be."""


@dataclass(frozen=True)
class Within:
    """Tells one task of everything that is done inside it, as if it were that task's own work.

    Attributes:
        advance: The task's listener.
    """

    advance: Advance

    @contextmanager
    def task(self, name: str, total: int) -> Iterator[Advance]:
        """Count a task's units as the surrounding one's."""
        yield self.advance


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
