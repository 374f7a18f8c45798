"""What a worker does before and after each step: whose rows are steered how, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from trimtab.engine import AddVector, Predictor, Receipt, Sizes, covered
from trimtab.errors import UsageError
from trimtab.serving.head_table import HeadTable
from trimtab.serving.offers import Offer
from trimtab.serving.places import ServedEdit, rule_of, site_of
from trimtab.serving.rows import Chunk
from trimtab.serving.table import Places, Room, Table
from trimtab.serving.vector_table import VectorTable

HEADS = "heads"
"""The site of edits of heads."""


@dataclass(frozen=True)
class Order:
    """How a request is to be steered.

    Attributes:
        about: Name, target, strength and digest, for its receipt.
        edits: Its edits, no two of one kind at a layer.
        error: Why it cannot be steered.
    """

    about: dict[str, Any]
    edits: tuple[ServedEdit, ...] = ()
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
        fresh: Rows that an edit touched in this step, by its site, where it touched none before.
    """

    order: Order
    slot: int
    error: str | None
    receipt: Receipt = field(default_factory=Receipt)
    done: int = 0
    reused: int = 0
    fresh: dict[tuple[str, int], int] = field(default_factory=dict)

    def told(self) -> dict[str, Any]:
        """Return the receipt as plain data."""
        edits = {"edits": self.receipt.table(), "reused_positions": self.reused}
        return self.order.about | edits | ({} if self.error is None else {"error": self.error})


class Steerer:
    """The steering of one worker's model.

    Attributes:
        tables: The tensors of each site that can be edited: what of a layer, and which layer.
        idle: Whether no row of the step is steered.
    """

    def __init__(self, sites: Iterable[tuple[str, int]], sizes: Sizes, room: Room, device: torch.device) -> None:
        self.places = Places.of(room, device)
        self.tables: dict[tuple[str, int], Table] = {}
        for kind, layer in sorted(set(sites)):
            heads = sizes.n_heads, sizes.head_dims[layer]
            self.tables[kind, layer] = (
                HeadTable(room, heads, self.places, device)
                if kind == HEADS
                else VectorTable(room, sizes.hidden_size, self.places, device)
            )
        self.idle = True
        self._free = list(range(room.slots - 1, 0, -1))
        self._requests: dict[str, Steered] = {}
        self._now: list[Steered] = []

    def hold(self, offer: Offer) -> None:
        """Take an artifact's networks in.

        Raises:
            UsageError: It acts at a layer that cannot be steered, or there is no room for it.
        """
        for edit in offer.unit:
            if site_of(edit) not in self.tables:
                ready = ", ".join(str(layer) for kind, layer in self.tables if kind == edit.site) or "none"
                what = "heads" if edit.site == HEADS else "added vectors"
                raise UsageError(
                    f"`artifact` must act at layers that the server made ready at its start ({ready} for {what}); "
                    f"{offer.name!r} acts at layer {edit.layer}; start the server with it."
                )
        for table, network in self._networks(offer):
            table.hold(network)

    def drop(self, offer: Offer) -> None:
        """Let an artifact's networks go."""
        for table, network in self._networks(offer):
            table.drop(network)

    def _networks(self, offer: Offer) -> Iterator[tuple[VectorTable, Predictor]]:
        """Yield an artifact's networks, each with the table that holds it."""
        for edit in offer.unit:
            table = self.tables[site_of(edit)]
            if isinstance(table, VectorTable) and isinstance(edit, AddVector) and isinstance(edit.direction, Predictor):
                yield table, edit.direction

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
                count = known.fresh.pop(site_of(edit), 0)
                if not count:
                    continue
                size = float(self.tables[site_of(edit)].sizes[known.slot]) / count
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
            table.leave(known.slot, slice(chunk.start, chunk.end))

    def _clear(self) -> None:
        self._now = []
        if self.idle:
            return
        self.idle = True
        self.places.slots.zero_()
        self.places.last.zero_()
        for table in self.tables.values():
            table.clear()

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
            self.tables[site_of(edit)].admit(slot, edit)
        firsts = [_covered(edit, chunk)[0] for edit in order.edits]
        known.reused = max(0, chunk.first - min(firsts))
        if chunk.first >= chunk.length and any(map(_is_predicted, order.edits)):
            known.error = "the last prompt token, which predicts its vector, was not computed"
        return known

    def _plan(self, chunk: Chunk, known: Steered) -> None:
        """Write where one request's rows are, and what each of its edits does to them."""
        last = chunk.last_prompt
        self.places.slots[chunk.start : chunk.end] = known.slot
        if last is not None:
            self.places.last[known.slot] = last
        for edit in known.order.edits:
            rows = slice(*chunk.rows(*_covered(edit, chunk)))
            self.tables[site_of(edit)].plan(known.slot, rows, edit, last=last is not None)
            self._count(chunk, known, edit)
        known.done = max(known.done, chunk.after)

    def _count(self, chunk: Chunk, known: Steered, edit: ServedEdit) -> None:
        first, end = _covered(edit, chunk)
        entry = known.receipt.entry(edit.name, edit.layer)
        touched = chunk.count(first, end)
        if touched and not entry.measured:
            known.fresh[site_of(edit)] = touched
        new = max(first, known.done)
        entry.prompt_positions += chunk.count(new, min(end, chunk.length))
        entry.generated_positions += chunk.count(max(new, chunk.length), end)


def _covered(edit: ServedEdit, chunk: Chunk) -> tuple[int, int]:
    """Return the first token index that an edit touches in a chunk's request, and the first one after it."""
    rule = rule_of(edit)
    assert rule is not None  # or it is not offered
    return covered(rule, chunk.length)


def _is_predicted(edit: ServedEdit) -> bool:
    return isinstance(edit, AddVector) and isinstance(edit.direction, Predictor)
