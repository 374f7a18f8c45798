"""The tensors that steer one layer of a server's model: what those of vectors and those of heads have in common.

A server's batch has a place for a token in each **row**, and each steered request holds a **slot**. What a request's
edits do is written into its slot once, when it comes in; a step tells of each row which slot it belongs to, and which
phase of its request it is. All tensors keep their place and their shape, so that a compiled graph, or one that was
captured, reads what the worker wrote before the step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.serving.phases import PHASES, Layout, phases_of
from trimtab.serving.places import ServedEdit
from trimtab.serving.rows import Chunk


@dataclass(frozen=True)
class Room:
    """How much a server makes room for.

    Attributes:
        rows: Tokens of a step.
        slots: Steered requests at once; slot 0 is that of rows that are not steered.
        networks: Networks at a layer.
        units: Hidden units that these have together.
    """

    rows: int
    slots: int
    networks: int = 0
    units: int = 0


Terms = tuple[Tensor | None, Tensor]
"""Scale and shift of rows, each in one row or for each of them; no scale is 1."""


class Places:
    """What the layers of a model share: which request, and what of it, each row of a step is.

    Attributes:
        rows: The rows that may be edited in this step, and which the two tensors that follow are about; None for all.
        slots: Slot of each row, ``(rows,)``.
        phases: Phase of each row's token, ``(rows,)``.
        last: The row of the last prompt token of each slot's request, or -1 where none is that predicts, ``(slots,)``.
        version: The number of the plan: steps of one number are alike; None where a graph reads the plan.
        acting: Whether an edit touches a row of this step, or a vector is predicted in it.
        predicting: Whether a vector may have to be predicted in this step.
        measuring: Whether changes have to be measured in this step.
    """

    def __init__(self, room: Room, device: torch.device, *, compiled: bool) -> None:
        """Make the tensors, with no row steered.

        Args:
            room: How much there is room for.
            device: Where the model is.
            compiled: Whether a graph reads them: then every step is about all rows, and predicts and measures.
        """
        self._slots, self._phases = (np.zeros(room.rows, dtype=np.int64) for _ in range(2))
        self._touched, self._last = np.zeros(room.rows, dtype=bool), np.full(room.slots, -1, dtype=np.int64)
        self._plan = np.zeros((3, 0), dtype=np.int64)
        self.rows: Tensor | None = None
        self.slots, self.phases, self.last = (
            torch.from_numpy(own).clone().to(device) for own in (self._slots, self._phases, self._last)
        )
        self._compiled = compiled
        self.version = None if compiled else 0
        self.acting, self.predicting, self.measuring = False, compiled, compiled

    def clear(self) -> None:
        """Begin the plan of a step: no row is steered."""
        self._slots.fill(0)
        self._phases.fill(0)
        self._touched.fill(False)
        self._last.fill(-1)
        self.acting, self.predicting, self.measuring = False, self._compiled, self._compiled

    def put(self, slot: int, chunk: Chunk, layout: Layout, touched: np.ndarray, *, predicts: bool) -> None:
        """Say which rows are a request's.

        Args:
            slot: The request's.
            chunk: Its rows.
            layout: What its tokens are.
            touched: Which phases its edits touch, ``(phases,)``.
            predicts: Whether its last prompt token predicts a vector.
        """
        rows, phases = slice(chunk.start, chunk.end), layout.phases(chunk.first, chunk.after)
        self._slots[rows], self._phases[rows], self._touched[rows] = slot, phases, touched[phases]
        self.acting |= bool(self._touched[rows].any())
        if predicts and chunk.last_prompt is not None:
            self._last[slot] = chunk.last_prompt
            self.acting = self.predicting = True

    def leave(self, slot: int, rows: slice) -> None:
        """Leave a request's rows as they are in this step."""
        self._slots[rows], self._touched[rows], self._last[slot] = 0, False, -1

    def send(self) -> None:
        """Send the plan to where the model is."""
        self.last.copy_(torch.from_numpy(self._last))
        if self.version is None:
            self.slots.copy_(torch.from_numpy(self._slots * self._touched))
            self.phases.copy_(torch.from_numpy(self._phases))
            return
        rows = self._touched.nonzero()[0]
        plan = np.stack([rows, self._slots[rows], self._phases[rows]])
        if not np.array_equal(plan, self._plan):
            self._plan, self.version = plan, self.version + 1
            self.rows, self.slots, self.phases = torch.from_numpy(plan).to(self.last.device)

    def here(self, output: Tensor) -> Tensor:
        """Return the rows that may be edited."""
        return output if self._all(output) else output[self.rows]

    def back(self, output: Tensor, edited: Tensor) -> Tensor:
        """Return the output with those rows put back."""
        return edited if self.rows is None or self._all(output) else output.index_copy(0, self.rows, edited)

    def _all(self, output: Tensor) -> bool:
        return self.rows is None or len(self.rows) == len(output)


class Table(ABC):
    """What one edit of each request needs at one layer: a row that is edited becomes ``scale * row + shift``.

    Attributes:
        amounts: The factor of each slot's edit at tokens of each phase, 0 where it leaves them, ``(slots, phases)``.
        sizes: ``|change| / |state|``, summed over the rows of each slot in this step, ``(slots,)``.
        users: The slots that have an edit here.
    """

    def __init__(self, room: Room, places: Places, device: torch.device) -> None:
        self.room, self.places = room, places
        self.amounts = torch.zeros(room.slots, PHASES, device=device)
        self.sizes = torch.zeros(room.slots, device=device)
        self.users: set[int] = set()
        self._kept: tuple[int | None, Terms] | None = None

    @abstractmethod
    def write(self, slot: int, edit: ServedEdit) -> float:
        """Put what is known of an edit before any step into a slot, and return the factor on it."""

    @abstractmethod
    def terms(self, slots: Tensor, amounts: Float[Tensor, "rows 1"], like: Tensor) -> Terms:
        """Return the scale and the shift of rows.

        Args:
            slots: Whose they are, ``(rows,)``.
            amounts: The factor on what the slot holds.
            like: A tensor of the type to return.
        """

    @abstractmethod
    def predict(self, output: Tensor, beside: Tensor | None) -> None:
        """Put what the step's last prompt tokens predict into their slots."""

    def admit(self, slot: int, edit: ServedEdit) -> None:
        """Put an edit into a slot."""
        factor, phases = self.write(slot, edit), phases_of(edit) or ()
        self.amounts[slot].copy_(torch.tensor([factor if phase in phases else 0.0 for phase in range(PHASES)]))
        self.users.add(slot)
        self._kept = None

    def release(self, slot: int) -> None:
        """Take a slot's edit out."""
        self.amounts[slot].zero_()
        self.users.discard(slot)
        self._kept = None

    def changed(self, output: Float[Tensor, "rows width"], beside: Tensor | None = None) -> Float[Tensor, "rows width"]:
        """Return what a layer hands on with the rows' edits made.

        Args:
            output: What it hands on.
            beside: What the model will add to that later; None for nothing.
        """
        places = self.places
        if places.predicting:
            self.predict(output, beside)
        own = places.here(output)
        scale, shift = self._terms(own)
        edited = own + shift if scale is None else torch.addcmul(shift, own, scale)
        if places.measuring:
            change = shift if scale is None else edited - own
            self._measure(change, own if beside is None else own + places.here(beside))
        return places.back(output, edited)

    def _terms(self, own: Tensor) -> Terms:
        """Return the scale and the shift of rows, kept for as long as steps are alike and nothing is predicted."""
        keeps = self.places.version is not None and not self.places.predicting
        if keeps and self._kept is not None and self._kept[0] == self.places.version:
            return self._kept[1]
        slots = self.places.slots[: len(own)]
        found = self.terms(slots, self.amounts[slots, self.places.phases[: len(own)], None], own)
        if keeps:
            self._kept = self.places.version, found
        return found

    def _measure(self, change: Tensor, states: Tensor) -> None:
        """Add the relative sizes of rows' changes up, slot by slot."""
        size = change.float().norm(dim=-1) / states.float().norm(dim=-1).clamp_min(1e-12)
        self.sizes.index_add_(0, self.places.slots[: len(states)], size)
