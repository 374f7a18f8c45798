"""``SkipLayers``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.edits import SkipLayers, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import KERNELS, Kernel, relative_size
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class SkipLayersKernel(Kernel[SkipLayers]):
    """``SkipLayers`` on a layer's output, ``(rows, length, hidden)``, with what came into it at hand."""

    edit = SkipLayers.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[SkipLayers],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        self.tokens = TokenSets([resolve(e.at, p, "at", "SkipLayers") for e, p in zip(edits, prompts, strict=True)])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the output with the rows' tokens as they came in."""
        assert place.entered is not None
        touched = self.tokens.holds(place.index[self.rows])
        if not touched.any():
            return states
        own, entered = states[self.rows], place.entered[self.rows]
        changed = torch.where(touched[..., None], entered, own)
        states = states.clone()
        states[self.rows] = changed
        self.record(touched, place, relative_size(changed - own, own))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the tokens of some rows."""
        self.tokens.narrow(held)
