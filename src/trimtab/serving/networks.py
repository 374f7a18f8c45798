"""The networks of a layer, which all of its tables of vectors share."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Predictor
from trimtab.errors import UsageError
from trimtab.serving.table import Room


class Networks:
    """All networks of a layer as one, so that one product serves all requests: each has a run of units of its own.

    Attributes:
        units: How many units there is room for; 0 where there are no networks.
    """

    def __init__(self, room: Room, hidden: int, device: torch.device) -> None:
        self._room, self.units = room, room.units
        self._w_in = torch.zeros(room.units, hidden, device=device)
        self._b_in = torch.zeros(room.units, device=device)
        self._w_out = torch.zeros(room.units, hidden, device=device)
        self._owner = torch.full((room.units,), -1, dtype=torch.long, device=device)
        self._b_out = torch.zeros(room.networks, hidden, device=device)
        self._held: dict[int, tuple[Predictor, int]] = {}  # kept, so that no other one gets its identity

    def predict(self, states: Float[Tensor, "slots hidden"], numbers: Tensor) -> Float[Tensor, "slots hidden"]:
        """Return what each slot's network, by its number, makes of its state."""
        inner = torch.tanh(states.float() @ self._w_in.T + self._b_in)
        own = numbers[:, None] == self._owner
        return (inner * own) @ self._w_out + self._b_out[numbers.clamp_min(0)]

    def number(self, network: Predictor) -> int:
        """Return the number of a network that is held."""
        return self._held[id(network)][1]

    def hold(self, network: Predictor) -> None:
        """Take a network in.

        Raises:
            UsageError: There is no room for it.
        """
        if id(network) in self._held:
            return
        width = network.b_in.shape[0]
        taken = {number for _network, number in self._held.values()}
        free = [number for number in range(self._room.networks) if number not in taken]
        units = (self._owner < 0).nonzero().flatten()[:width]
        if not free or len(units) < width:
            raise UsageError(
                f"`artifact` must fit into the room that the server made at its start ({self._room.networks} networks "
                f"of {self._room.units} units together at a layer); one of {width} units more does not; remove "
                "another, or start the server with it."
            )
        device = self._w_in.device
        self._w_in[units] = network.w_in.to(device, torch.float32)
        self._b_in[units] = network.b_in.to(device, torch.float32)
        self._w_out[units] = network.w_out.to(device, torch.float32).T
        self._b_out[free[0]] = network.b_out.to(device, torch.float32)
        self._owner[units] = free[0]
        self._held[id(network)] = network, free[0]

    def drop(self, network: Predictor) -> None:
        """Make room where a network was."""
        _network, number = self._held.pop(id(network), (None, None))
        if number is not None:
            self._owner[self._owner == number] = -1
