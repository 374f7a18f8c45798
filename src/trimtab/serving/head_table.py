"""Heads that are scaled or replaced, in each row as its own request asks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import ReplaceHeads, ScaleHeads
from trimtab.serving.places import ServedEdit
from trimtab.serving.table import Places, Room, Table


class HeadTable(Table):
    """The heads of a layer: in a row that is edited, head h puts out ``factors[slot, h] * own + values[slot, h]``.

    Attributes:
        factors: The factor of each slot's heads, ``(slots, heads, 1)``.
        values: What each slot's heads put out beside that, ``(slots, heads, head_dim)``.
    """

    def __init__(self, room: Room, heads: tuple[int, int], places: Places, device: torch.device) -> None:
        """Make the tensors.

        Args:
            room: How much there is room for.
            heads: How many heads the layer has, and their width.
            places: Where the rows of a step belong.
            device: Where the model is.
        """
        super().__init__(room, places, device)
        self.factors = torch.ones(room.slots, heads[0], 1, device=device)
        self.values = torch.zeros(room.slots, *heads, device=device)

    def changed(self, outputs: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        """Return what the heads of each row put out, one after the other in ``width``."""
        slots = self.places.slots[: len(outputs)]
        own = outputs.unflatten(-1, self.values.shape[1:])
        edited = own * self.factors[slots].to(own.dtype) + self.values[slots].to(own.dtype)
        found = torch.where(self.strengths[: len(outputs)] != 0, edited.flatten(1), outputs)
        self._measure(found - outputs, outputs)
        return found

    def admit(self, slot: int, edit: ServedEdit) -> None:
        """Put an edit's factors and values into a slot."""
        assert isinstance(edit, (ScaleHeads, ReplaceHeads))
        self.factors[slot], self.values[slot] = 1.0, 0.0
        heads = list(edit.heads)
        if isinstance(edit, ScaleHeads):
            self.factors[slot, heads] = edit.factor
            return
        self.factors[slot, heads] = 0.0
        if edit.values is not None:
            self.values[slot, heads] = edit.values.to(self.values)

    def plan(self, slot: int, rows: slice, edit: ServedEdit, *, last: bool) -> None:
        """Write which rows a step edits."""
        self.strengths[rows] = 1.0
