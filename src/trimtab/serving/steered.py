"""A request that is steered: what it asked for, where its edits are, and what they touched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trimtab.engine import AddVector, Predictor
from trimtab.serving.phases import GENERATED, PHASES, Layout, Span, first_of, phases_of
from trimtab.serving.places import ServedEdit
from trimtab.serving.receipts import NOT_FINITE, Card, Told
from trimtab.serving.rows import Chunk
from trimtab.serving.table import Table


@dataclass(frozen=True)
class Part:
    """An artifact of a request.

    Attributes:
        about: Name, target, strength and digest, for its receipt.
        edits: Its edits.
    """

    about: dict[str, Any]
    edits: tuple[ServedEdit, ...] = ()


@dataclass(frozen=True)
class Order:
    """How a request is to be steered.

    Attributes:
        parts: Its artifacts, which act in this order.
        named: Where in its prompt the question is, if an artifact asks for that.
        error: Why it cannot be steered.
    """

    parts: tuple[Part, ...] = ()
    named: Sequence[Span] = ()
    error: str | None = None


@dataclass(eq=False)
class Seat:
    """An edit of a request, and the table that makes it.

    Attributes:
        part: The number of the edit's artifact among the request's.
        edit: The edit.
        table: Where it is.
        phases: Those whose tokens it touches, in order.
        size: Mean ``|change| / |state|`` where it touched something first; None before.
        waiting: Rows that it touches in this step, where it touched none before.
    """

    part: int
    edit: ServedEdit
    table: Table
    phases: list[int]
    size: float | None = None
    waiting: int = 0


@dataclass
class Steered:
    """A request that is steered.

    Attributes:
        order: How.
        layout: What its tokens are.
        slot: Where its vectors are; 0 where it has none.
        error: Why it cannot be answered.
        seats: Its edits.
        counts: How many tokens of each phase were computed; one that is computed again is one token.
        done: Token index up to which they were counted.
        reused: Steered tokens whose keys came from the server's cache.
        unmeasured: Edits that touched nothing yet.
        touched: Which phases its edits touch, ``(phases,)``.
        predicts: Whether one of its vectors is predicted.
    """

    order: Order
    layout: Layout
    slot: int = 0
    error: str | None = None
    seats: list[Seat] = field(default_factory=list)
    counts: np.ndarray = field(default_factory=lambda: np.zeros(PHASES, dtype=np.int64))
    done: int = 0
    reused: int = 0
    unmeasured: list[Seat] = field(default_factory=list)
    touched: np.ndarray = field(default_factory=lambda: np.zeros(PHASES, dtype=bool))
    predicts: bool = False
    _told: tuple[str | None, int] | None = None

    def sit(self, part: int, edit: ServedEdit, table: Table) -> None:
        """Put an edit into a table."""
        table.admit(self.slot, edit)
        self.seats.append(Seat(part, edit, table, sorted(phases_of(edit) or ())))

    def begin(self, chunk: Chunk) -> None:
        """Note where the first of its tokens are that are computed, once all edits have their tables."""
        self.unmeasured = list(self.seats)
        self.touched[[phase for seat in self.seats for phase in seat.phases]] = True
        self.predicts = any(map(_is_predicted, self.seats))
        first = first_of(int(self.touched.argmax()), chunk.length, self.order.named)
        self.reused = max(0, chunk.first - first)
        if chunk.first >= chunk.length and self.predicts:
            self.error = "the last prompt token, which predicts its vector, was not computed"

    def leave(self) -> None:
        """Take all edits out of their tables."""
        for seat in self.seats:
            seat.table.release(self.slot)

    def count(self, chunk: Chunk) -> bool:
        """Count a step's tokens, and say whether an edit touches some of them that touched none before."""
        first, self.done = max(self.done, chunk.first), max(self.done, chunk.after)
        if first >= self.layout.length:
            self.counts[GENERATED] += self.done - first
        else:
            self.counts += self.layout.counts(first, chunk.after)
        if not self.unmeasured:
            return False
        here = self.layout.counts(chunk.first, chunk.after)
        for seat in self.unmeasured:
            seat.waiting = int(here[seat.phases].sum())
        return any(seat.waiting for seat in self.unmeasured)

    def measure(self) -> None:
        """Read how large the changes of this step were, where they are the first of their edit."""
        for seat in self.unmeasured:
            if not seat.waiting:
                continue
            seat.size = float(seat.table.sizes[self.slot]) / seat.waiting
            if not math.isfinite(seat.size):
                self.error = f"the change at layer {seat.edit.layer} is {NOT_FINITE}; lower `strength`"
        self.unmeasured = [seat for seat in self.unmeasured if not seat.waiting]

    def told(self) -> Told:
        """Return what there is to tell of a step; the card is told again only when it has changed."""
        state = self.error, len(self.unmeasured)
        changed, self._told = state != self._told, state
        return self.counts.tolist(), self.card() if changed else None

    def card(self) -> Card:
        """Return the receipt, but for how many tokens were touched."""
        artifacts = [part.about | {"edits": []} for part in self.order.parts]
        for seat in self.seats:
            edit = {"edit": seat.edit.name, "layer": seat.edit.layer}
            artifacts[seat.part]["edits"].append(edit | {"phases": seat.phases, "relative_change": _in_json(seat.size)})
        return {"artifacts": artifacts, "reused_positions": self.reused} | (
            {} if self.error is None else {"error": self.error}
        )


def _in_json(size: float | None) -> float | None:
    """Return a size as JSON can hold it: 0 where nothing was touched, None where it is no number."""
    return (size or 0.0) if size is None or math.isfinite(size) else None


def _is_predicted(seat: Seat) -> bool:
    return isinstance(seat.edit, AddVector) and isinstance(seat.edit.direction, Predictor)
