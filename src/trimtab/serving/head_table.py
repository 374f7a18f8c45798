"""Heads that are scaled or replaced, in each row as its own request asks."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import ReplaceHeads, ScaleHeads
from trimtab.serving.places import ServedEdit
from trimtab.serving.table import Places, Room, Table, Terms


class HeadTable(Table):
    """The heads of a layer, one after the other in a row: head h puts out ``factors[slot, h] * own + values[slot, h]``.

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

    def terms(self, slots: Tensor, amounts: Float[Tensor, "rows 1"], like: Tensor) -> Terms:
        """Return the factors of rows' heads, each over its width, and what they put out beside that."""
        edited = (amounts != 0)[..., None]
        scale = torch.where(edited, self.factors[slots], 1.0).expand(-1, -1, self.values.shape[-1])
        shift = torch.where(edited, self.values[slots], 0.0)
        return scale.flatten(1).to(like.dtype), shift.flatten(1).to(like.dtype)

    def predict(self, output: Tensor, beside: Tensor | None) -> None:
        """Predict nothing: what is done to heads is known before any step."""

    def write(self, slot: int, edit: ServedEdit) -> float:
        """Put an edit's factors and values into a slot."""
        assert isinstance(edit, (ScaleHeads, ReplaceHeads))
        heads, factors, values = list(edit.heads), self.factors[slot], self.values[slot]
        factors.fill_(1.0)
        values.zero_()
        factors[heads] = edit.factor if isinstance(edit, ScaleHeads) else 0.0
        if isinstance(edit, ReplaceHeads) and edit.values is not None:
            values[heads] = edit.values.to(values)
        return 1.0
