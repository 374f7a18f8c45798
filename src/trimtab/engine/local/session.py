"""What the engine keeps of a model between calls, beside the model and not in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from torch import Tensor

from trimtab.engine.edits import Edit
from trimtab.engine.local.lock import ModelLock
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Scope:
    """One ``with applied(...)`` block.

    Attributes:
        edits: Its edits.
        receipt: The receipt they fill.
        told: Tells the block of a prompt that the model's own ``generate`` is about to answer, for as long as a block
            of code: its mask, its token ids if they are known, and the cache given.
    """

    edits: tuple[Edit, ...]
    receipt: Receipt
    told: Callable[[Tensor, Tensor | None, Any], AbstractContextManager[None]]


@dataclass(eq=False)
class Session:
    """The state of one model's engine.

    Attributes:
        lock: Held by whatever runs the model; every ``Model`` around the same Hugging Face model has the same.
        batch_size: The most rows of a batch: fixed, or known to fit in memory; None before any are.
        ambient: The open ``with applied(...)`` blocks, innermost last.
        drives: True while the engine runs the decoder and applies edits itself.
    """

    lock: ModelLock
    batch_size: int | None = None
    ambient: list[Scope] = field(default_factory=list)
    drives: bool = False

    _sessions: ClassVar[WeakKeyDictionary[Model, Session]] = WeakKeyDictionary()

    @classmethod
    def of(cls, model: Model) -> Session:
        """Return a model's session; copies of a model have their own."""
        return cls._sessions.get(model) or cls._sessions.setdefault(model, cls(ModelLock.of(model.hf)))

    @contextmanager
    def in_batches_of(self, size: int | None) -> Iterator[None]:
        """Use batches of at most a size inside the block; afterwards the size is what it was."""
        with self.lock:
            before, self.batch_size = self.batch_size, size
            try:
                yield
            finally:
                self.batch_size = before

    @contextmanager
    def driving(self) -> Iterator[None]:
        """Silence the block-wide hooks while the engine runs: it applies the same edits itself, row by row."""
        before, self.drives = self.drives, True
        try:
            yield
        finally:
            self.drives = before


def engine_drives(model: Model) -> AbstractContextManager[None]:
    """Silence a model's block-wide hooks inside the block; see ``Session.driving``."""
    return Session.of(model).driving()


def batch_size_of(model: Model) -> int | None:
    """Return how many rows of a batch are fixed, or known to fit; None before any are."""
    return Session.of(model).batch_size


def open_blocks(model: object) -> int:
    """Return how many ``with applied(...)`` blocks are open; other engines than this have none."""
    return len(Session.of(model).ambient) if isinstance(model, Model) else 0
