"""``AddGatedVector``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.edits import AddGatedVector
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.add_vector import VectorKernel
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class AddGatedVectorKernel(VectorKernel[AddGatedVector]):
    """``AddGatedVector``: each token's own state says how much of the vector it gets."""

    edit = AddGatedVector.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AddGatedVector],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        device = self.rows.device
        weights = [edit.weights for edit in edits if edit.weights is not None]
        self.weights = torch.stack([own.to(device, torch.float32) for own in weights])
        self.offsets = torch.tensor([edit.offset for edit in edits], device=device)

    def gates(self, states: Tensor) -> Tensor:
        """Return ``w . h + b``, cut to 0..1, ``(rows, length)``."""
        return (torch.einsum("rlh,rh->rl", states.float(), self.weights) + self.offsets[:, None]).clamp(0, 1)

    def keep(self, held: Tensor) -> None:
        """Keep the vectors and gates of some rows."""
        super().keep(held)
        self.weights, self.offsets = self.weights[held], self.offsets[held]
