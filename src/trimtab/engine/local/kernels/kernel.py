"""What every kernel is: how edits of one kind, at one layer, are made on the rows of a batch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Entry
from trimtab.errors import NotFiniteError
from trimtab.models import Model
from trimtab.registry import Registry

AnyEdit = TypeVar("AnyEdit", bound=Edit)


class Kernel(ABC, Generic[AnyEdit]):
    """The edits of one kind at one layer over several rows of a batch, made as one tensor operation.

    Attributes:
        edit: The name of the class of edits that it makes; None for what several kernels have in common.
        rows: Numbers of the rows in the batch, ascending.
        entry: The receipt's entry for them.
    """

    edit: ClassVar[str | None] = None

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AnyEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        """Make ready.

        Args:
            model: The model.
            rows: Numbers of the rows in the batch, ascending.
            edits: Each row's edit; all of the class that the kernel makes.
            prompts: Each row's prompt.
            entry: Where to count what is touched.
        """
        self.rows = torch.tensor(rows, device=prompts[0].ids.device)
        self.entry = entry
        # The keys of the pass that was measured, one tensor in all of it: scores are edited some queries at a time.
        self._measured: Tensor | None = None
        entry.rows += len(rows)

    @classmethod
    def apart(cls, edit: AnyEdit) -> Hashable:
        """Return what must be equal of edits that one kernel makes together, beside the name of the edit."""
        return None

    @abstractmethod
    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return what the site hands on, with the rows' edits made; the input is left as it is."""

    def narrow(self, kept: Tensor) -> None:
        """Forget all rows but ``kept``, ascending, which are renumbered from 0."""
        held = torch.isin(self.rows, kept)
        self.rows = torch.searchsorted(kept, self.rows[held])
        self.keep(held)

    @abstractmethod
    def keep(self, held: Tensor) -> None:
        """Keep what belongs to the rows where ``held`` is True."""

    def record(self, touched: Tensor, place: Place, sizes: Tensor) -> None:
        """Count the positions touched, ``(rows, length)``, and measure the first pass that touches anything.

        Args:
            touched: Which positions were changed.
            place: Which token each position is.
            sizes: Relative size of the change at every position, the same shape.
        """
        if place.fresh is not None:  # a token computed twice is one token
            touched = touched & place.fresh[self.rows]
            if not touched.any():
                return
        generated = touched & (place.index >= place.lengths[:, None])[self.rows]
        of_answer, every = torch.stack(
            (generated.sum(), touched.sum())
        ).tolist()  # asking a GPU twice takes twice as long
        self.entry.generated_positions += of_answer
        self.entry.prompt_positions += every - of_answer
        if self._measured is None or self._measured is place.keys:  # decoding need not repeat it
            self._measured = place.keys
            sizes = sizes[touched]
            if sizes.isinf().any():
                raise NotFiniteError(
                    f"`{self.entry.edit}` at layer {self.entry.layer} must change states by what float32 can hold; the "
                    "change is beyond that; lower the strength."
                )
            self.entry.measure(sizes.tolist())


KERNELS: Registry[type[Kernel]] = Registry("`edit`", key="edit")
"""Kernels by the name of the class of edits that they make."""


def relative_size(change: Tensor, states: Tensor) -> Tensor:
    """Return ``|change| / |state|`` at every position."""
    return change.float().norm(dim=-1) / states.float().norm(dim=-1).clamp_min(1e-12)
