"""The tensors that steer one layer of a server's model: what those of vectors and those of heads have in common.

A server's batch has a place for a token in each **row**, and each steered request holds a **slot**. All tensors keep
their place and their shape, so that a compiled graph, or one that was captured, reads what the worker wrote before the
step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.serving.places import ServedEdit


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


class Table(ABC):
    """What one kind of edit needs at one layer.

    Attributes:
        strengths: The factor of each row, 0 where nothing is edited, ``(rows, 1)``.
        sizes: ``|change| / |state|``, summed over the rows of each slot in this step, ``(slots,)``.
    """

    def __init__(self, room: Room, places: Places, device: torch.device) -> None:
        self.room, self.places = room, places
        self.strengths = torch.zeros(room.rows, 1, device=device)
        self.sizes = torch.zeros(room.slots, device=device)

    @abstractmethod
    def admit(self, slot: int, edit: ServedEdit) -> None:
        """Put what is known of an edit before any step into a slot."""

    @abstractmethod
    def plan(self, slot: int, rows: slice, edit: ServedEdit, *, last: bool) -> None:
        """Write what a step does to a request's rows.

        Args:
            slot: The request's.
            rows: Those that the edit touches.
            edit: The edit.
            last: Whether the request's last prompt token is in this step.
        """

    def leave(self, slot: int, rows: slice) -> None:
        """Leave a request's rows as they are in this step."""
        self.strengths[rows] = 0

    def clear(self) -> None:
        """Make ready for the next step."""
        self.strengths.zero_()
        self.sizes.zero_()

    def _measure(self, change: Tensor, states: Tensor) -> None:
        """Add the relative sizes of rows' changes up, slot by slot."""
        size = change.float().norm(dim=-1) / states.float().norm(dim=-1).clamp_min(1e-12)
        self.sizes.index_add_(0, self.places.slots[: len(states)], size)
