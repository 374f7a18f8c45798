"""Vectors that are added to a layer's output, each row that of its own request."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Predictor
from trimtab.errors import UsageError
from trimtab.serving.places import ServedEdit
from trimtab.serving.table import Places, Room, Table


class VectorTable(Table):
    """The vectors and networks of a layer: row t gets ``strengths[t] * vectors[slot of t]``.

    Attributes:
        vectors: What each slot adds, ``(slots, hidden)``.
        networks: The network that predicts a slot's vector in this step, or -1, ``(slots,)``.
    """

    def __init__(self, room: Room, hidden: int, places: Places, device: torch.device) -> None:
        super().__init__(room, places, device)
        self.vectors = torch.zeros(room.slots, hidden, device=device)
        self.networks = torch.full((room.slots,), -1, dtype=torch.long, device=device)
        # All networks of the layer as one: the units of each are a run of their own.
        self._w_in = torch.zeros(room.units, hidden, device=device)
        self._b_in = torch.zeros(room.units, device=device)
        self._w_out = torch.zeros(room.units, hidden, device=device)
        self._owner = torch.full((room.units,), -1, dtype=torch.long, device=device)
        self._b_out = torch.zeros(room.networks, hidden, device=device)
        self._held: dict[int, int] = {}

    def change(self, states: Float[Tensor, "rows hidden"]) -> Float[Tensor, "rows hidden"]:
        """Return what is added to the layer's output; vectors that the step's last prompt tokens predict are kept."""
        if self.room.units:
            self._predict(states)
        change = self.strengths[: len(states)] * self.vectors[self.places.slots[: len(states)]]
        self._measure(change, states)
        return change.to(states.dtype)

    def _predict(self, states: Tensor) -> None:
        inner = torch.tanh(states[self.places.last].float() @ self._w_in.T + self._b_in)
        own = self.networks[:, None] == self._owner
        found = (inner * own) @ self._w_out + self._b_out[self.networks.clamp_min(0)]
        self.vectors.copy_(torch.where(self.networks[:, None] >= 0, found, self.vectors))

    def admit(self, slot: int, edit: ServedEdit) -> None:
        """Put a fixed vector into a slot; one that is predicted comes with the last prompt token."""
        assert isinstance(edit, AddVector)
        if isinstance(edit.direction, Predictor):
            self.vectors[slot].zero_()
        else:
            self.vectors[slot].copy_(edit.direction)

    def plan(self, slot: int, rows: slice, edit: ServedEdit, *, last: bool) -> None:
        """Write a step's strengths, and which network is to predict."""
        assert isinstance(edit, AddVector)
        if last and isinstance(edit.direction, Predictor):
            self.networks[slot] = self.number(edit.direction)
        self.strengths[rows] = edit.strength

    def leave(self, slot: int, rows: slice) -> None:
        """Leave a request's rows as they are in this step."""
        super().leave(slot, rows)
        self.networks[slot] = -1

    def clear(self) -> None:
        """Make ready for the next step."""
        super().clear()
        self.networks.fill_(-1)

    def number(self, network: Predictor) -> int:
        """Return the number of a network that is held."""
        return self._held[id(network)]

    def hold(self, network: Predictor) -> None:
        """Take a network in.

        Raises:
            UsageError: There is no room for it.
        """
        if id(network) in self._held:
            return
        width = network.b_in.shape[0]
        free = [number for number in range(self.room.networks) if number not in self._held.values()]
        units = (self._owner < 0).nonzero().flatten()[:width]
        if not free or len(units) < width:
            raise UsageError(
                f"`artifact` must fit into the room that the server made at its start ({self.room.networks} networks "
                f"of {self.room.units} units together at a layer); one of {width} units more does not; remove another, "
                "or start the server with it."
            )
        device = self.vectors.device
        self._w_in[units] = network.w_in.to(device, torch.float32)
        self._b_in[units] = network.b_in.to(device, torch.float32)
        self._w_out[units] = network.w_out.to(device, torch.float32).T
        self._b_out[free[0]] = network.b_out.to(device, torch.float32)
        self._owner[units] = free[0]
        self._held[id(network)] = free[0]

    def drop(self, network: Predictor) -> None:
        """Make room where a network was."""
        number = self._held.pop(id(network), None)
        if number is not None:
            self._owner[self._owner == number] = -1
