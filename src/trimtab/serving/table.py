"""The tensors that steer one layer of a server's model.

A server's batch has a place for a token in each **row**, and each steered request holds a **slot**. What a step adds to
row t is ``strengths[t] * vectors[slot of t]``, with 0 where nothing is steered. All tensors keep their place and their
shape, so that a compiled graph, or one that was captured, reads what the worker wrote before the step.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Predictor
from trimtab.errors import UsageError


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


@dataclass(frozen=True, eq=False)
class Places:
    """What the layers of a model share: where the rows of a step belong.

    Attributes:
        slots: Slot of each row, ``(rows,)``.
        last: The row of the last prompt token of each slot's request, where that is among them, ``(slots,)``.
    """

    slots: Tensor
    last: Tensor

    @classmethod
    def of(cls, room: Room, device: torch.device) -> Places:
        """Return places for a room, with no row steered."""
        zeros = [torch.zeros(size, dtype=torch.long, device=device) for size in (room.rows, room.slots)]
        return cls(*zeros)


class Table:
    """The vectors, strengths and networks of a layer.

    Attributes:
        vectors: What each slot adds, ``(slots, hidden)``.
        strengths: The factor of each row, ``(rows, 1)``.
        networks: The network that predicts a slot's vector in this step, or -1, ``(slots,)``.
        sizes: ``|change| / |state|``, summed over the rows of each slot in this step, ``(slots,)``.
    """

    def __init__(self, room: Room, hidden: int, places: Places, device: torch.device) -> None:
        self.room, self.places = room, places
        self.vectors = torch.zeros(room.slots, hidden, device=device)
        self.strengths = torch.zeros(room.rows, 1, device=device)
        self.sizes = torch.zeros(room.slots, device=device)
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
        slots = self.places.slots[: len(states)]
        change = self.strengths[: len(states)] * self.vectors[slots]
        size = change.norm(dim=-1) / states.float().norm(dim=-1).clamp_min(1e-12)
        self.sizes.index_add_(0, slots, size)
        return change.to(states.dtype)

    def _predict(self, states: Tensor) -> None:
        inner = torch.tanh(states[self.places.last].float() @ self._w_in.T + self._b_in)
        own = self.networks[:, None] == self._owner
        found = (inner * own) @ self._w_out + self._b_out[self.networks.clamp_min(0)]
        self.vectors.copy_(torch.where(self.networks[:, None] >= 0, found, self.vectors))

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
