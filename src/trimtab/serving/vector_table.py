"""Vectors that are added to a layer's output, each row that of its own request."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Predictor
from trimtab.serving.networks import Networks
from trimtab.serving.places import ServedEdit
from trimtab.serving.table import Places, Room, Table, Terms


class VectorTable(Table):
    """The vectors of a layer: row t gets its amount times ``vectors[slot of t]``.

    Attributes:
        networks: Those that predict vectors.
        vectors: What each slot adds, ``(slots, hidden)``.
        numbers: The network that predicts a slot's vector, or -1, ``(slots,)``.
    """

    def __init__(self, room: Room, networks: Networks, hidden: int, places: Places, device: torch.device) -> None:
        super().__init__(room, places, device)
        self.networks = networks
        self.vectors = torch.zeros(room.slots, hidden, device=device)
        self.numbers = torch.full((room.slots,), -1, dtype=torch.long, device=device)

    def terms(self, slots: Tensor, amounts: Float[Tensor, "rows 1"], like: Tensor) -> Terms:
        """Return the vectors of rows."""
        return None, (amounts * self.vectors[slots]).to(like.dtype)

    def predict(self, output: Tensor, beside: Tensor | None) -> None:
        """Put what the step's last prompt tokens predict into their slots, where it is kept."""
        if not self.networks.units:
            return
        last = self.places.last.clamp_min(0)
        states = output[last] if beside is None else output[last] + beside[last]
        found = self.networks.predict(states, self.numbers)
        now = (self.numbers >= 0) & (self.places.last >= 0)
        self.vectors.copy_(torch.where(now[:, None], found, self.vectors))

    def write(self, slot: int, edit: ServedEdit) -> float:
        """Put a fixed vector into a slot; one that is predicted comes with the last prompt token."""
        assert isinstance(edit, AddVector)
        if isinstance(edit.direction, Predictor):
            self.numbers[slot] = self.networks.number(edit.direction)
            self.vectors[slot].zero_()
        else:
            self.numbers[slot] = -1
            self.vectors[slot].copy_(edit.direction)
        return edit.strength
