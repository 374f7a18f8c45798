"""What a worker does before and after each step: whose rows are steered how, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from trimtab.engine import AddVector, Predictor, Receipt, covered
from trimtab.errors import UsageError
from trimtab.serving.offers import Offer
from trimtab.serving.rows import Chunk
from trimtab.serving.table import Places, Room, Table


@dataclass(frozen=True)
class Order:
    """How a request is to be steered.

    Attributes:
        about: Name, target, strength and digest, for its receipt.
        edits: Its edits, at layers that differ.
        error: Why it cannot be steered.
    """

    about: dict[str, Any]
    edits: tuple[AddVector, ...] = ()
    error: str | None = None


@dataclass
class Steered:
    """A request that is steered.

    Attributes:
        order: How.
        slot: Where its vectors are; 0 where it has none.
        error: Why it cannot be answered.
        receipt: What was touched.
        done: Token index up to which tokens were counted; a token that is computed again is one token.
        reused: Steered tokens whose keys came from the server's cache.
        fresh: Rows that an edit touched in this step, by layer, where it touched none before.
    """

    order: Order
    slot: int
    error: str | None
    receipt: Receipt = field(default_factory=Receipt)
    done: int = 0
    reused: int = 0
    fresh: dict[int, int] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return the receipt as plain data."""
        edits = {"edits": self.receipt.table(), "reused_positions": self.reused}
        return self.order.about | edits | ({} if self.error is None else {"error": self.error})


class Steerer:
    """The steering of one worker's model.

    Attributes:
        tables: The tensors of each layer that can be steered.
        idle: Whether no row of the step is steered.
    """

    def __init__(self, layers: Iterable[int], hidden: int, room: Room, device: torch.device) -> None:
        self.places = Places.of(room, device)
        self.tables = {layer: Table(room, hidden, self.places, device) for layer in sorted(set(layers))}
        self.idle = True
        self._free = list(range(room.slots - 1, 0, -1))
        self._requests: dict[str, Steered] = {}
        self._now: list[Steered] = []

    def hold(self, offer: Offer) -> None:
        """Take an artifact's networks in.

        Raises:
            UsageError: It acts at a layer that cannot be steered, or there is no room for it.
        """
        edits = offer.edits(1.0)
        for edit in edits:
            if edit.layer not in self.tables:
                raise UsageError(
                    "`artifact` must act at layers that the server made ready at its start "
                    f"({', '.join(map(str, self.tables)) or 'none'}); {offer.name!r} acts at layer {edit.layer}; start "
                    "the server with it."
                )
        for edit in edits:
            if isinstance(edit.direction, Predictor):
                self.tables[edit.layer].hold(edit.direction)

    def drop(self, offer: Offer) -> None:
        """Let an artifact's networks go."""
        for edit in offer.edits(1.0):
            if isinstance(edit.direction, Predictor):
                self.tables[edit.layer].drop(edit.direction)

    def in_use(self, digest: str) -> bool:
        """Whether a request is steered by an artifact."""
        return any(known.order.about["digest"] == digest for known in self._requests.values())

    def begin(self, chunks: Sequence[Chunk], order: Callable[[str], Order | None]) -> None:
        """Write a step's plan into the tensors.

        Args:
            chunks: The step's rows.
            order: Returns how a request is to be steered; None for a plain one. It is asked once a step for plain
                ones, and once in all for others.
        """
        self._clear()
        for chunk in chunks:
            try:
                known = self._requests.get(chunk.request) or self._admitted(chunk, order(chunk.request))
                if known is not None and known.error is None:
                    self.idle = False
                    self._plan(chunk, known)
                    self._now.append(known)
            except Exception as error:  # one request may fail, the others go on
                self._undo(chunk, f"steering failed ({type(error).__name__}: {error!s:.200})")

    def end(self) -> None:
        """Measure how large a change was, where an edit touched something for the first time."""
        for known in self._now:
            for edit in known.order.edits:
                count = known.fresh.pop(edit.layer, 0)
                if not count:
                    continue
                size = float(self.tables[edit.layer].sizes[known.slot]) / count
                if math.isfinite(size):
                    known.receipt.entry(edit.name, edit.layer).measure([size] * count)
                else:
                    known.error = f"the change at layer {edit.layer} is beyond what float32 can hold; lower `strength`"

    def fail(self, reason: str) -> None:
        """Note that the step's steered requests were not steered, and let the step pass without."""
        now, self._now = self._now, []
        for known in now:
            known.error = known.error or reason
        self.idle = False
        self._clear()

    def refuse(self, request: str, reason: str) -> None:
        """Note that a request was not steered as it asked, whether or not it is known already."""
        known = self._requests.setdefault(request, Steered(Order({"digest": ""}), 0, reason))
        known.error = known.error or reason

    def told(self, requests: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Return the receipts of those requests that are steered."""
        return {name: known.told() for name in requests if (known := self._requests.get(name)) is not None}

    def forget(self, living: Container[str]) -> None:
        """Free the slots of requests that are no more."""
        for name in [name for name in self._requests if name not in living]:
            slot = self._requests.pop(name).slot
            if slot:
                self._free.append(slot)

    def _undo(self, chunk: Chunk, reason: str) -> None:
        """Leave the rows of one request as they are."""
        self.refuse(chunk.request, reason)
        known = self._requests[chunk.request]
        for table in self.tables.values():
            table.strengths[chunk.start : chunk.end] = 0
            table.networks[known.slot] = -1

    def _clear(self) -> None:
        self._now = []
        if self.idle:
            return
        self.idle = True
        self.places.slots.zero_()
        self.places.last.zero_()
        for table in self.tables.values():
            table.strengths.zero_()
            table.sizes.zero_()
            table.networks.fill_(-1)

    def _admitted(self, chunk: Chunk, order: Order | None) -> Steered | None:
        """Give a request that is new a slot, and put its fixed vectors there."""
        if order is None:
            return None
        slot = self._free.pop() if self._free and order.error is None else 0
        full = None if slot else "the server has no room for another steered request"
        known = self._requests[chunk.request] = Steered(order, slot, order.error or full, done=chunk.first)
        if known.error is not None:
            return known
        for edit in order.edits:
            known.receipt.entry(edit.name, edit.layer).rows = 1
            vector = self.tables[edit.layer].vectors[slot]
            if isinstance(edit.direction, Predictor):
                vector.zero_()
            else:
                vector.copy_(edit.direction)
        firsts = [covered(edit.positions, chunk.length)[0] for edit in order.edits]
        known.reused = max(0, chunk.first - min(firsts))
        if chunk.first >= chunk.length and any(isinstance(edit.direction, Predictor) for edit in order.edits):
            known.error = "the last prompt token, which predicts its vector, was not computed"
        return known

    def _plan(self, chunk: Chunk, known: Steered) -> None:
        """Write where one request's rows are, and what each of its edits does to them."""
        last = chunk.last_prompt
        self.places.slots[chunk.start : chunk.end] = known.slot
        if last is not None:
            self.places.last[known.slot] = last
        for edit in known.order.edits:
            table = self.tables[edit.layer]
            start, end = chunk.rows(*covered(edit.positions, chunk.length))
            if last is not None and isinstance(edit.direction, Predictor):
                table.networks[known.slot] = table.number(edit.direction)
            table.strengths[start:end] = edit.strength
            self._count(chunk, known, edit)
        known.done = max(known.done, chunk.after)

    def _count(self, chunk: Chunk, known: Steered, edit: AddVector) -> None:
        first, end = covered(edit.positions, chunk.length)
        entry = known.receipt.entry(edit.name, edit.layer)
        touched = chunk.count(first, end)
        if touched and not entry.measured:
            known.fresh[edit.layer] = touched
        new = max(first, known.done)
        entry.prompt_positions += chunk.count(new, min(end, chunk.length))
        entry.generated_positions += chunk.count(max(new, chunk.length), end)
