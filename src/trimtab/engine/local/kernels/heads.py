"""What kernels of heads' outputs have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from trimtab.engine.edits import HeadEdit, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import Kernel, relative_size
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model

AnyHeadEdit = TypeVar("AnyHeadEdit", bound=HeadEdit)


class HeadKernel(Kernel[AnyHeadEdit]):
    """Head outputs times factors plus values, ``(rows, length, heads, head_dim)``."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AnyHeadEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        device = self.rows.device
        self.tokens = TokenSets([resolve(e.at, p, "at", type(e).__name__) for e, p in zip(edits, prompts, strict=True)])
        self.factors = torch.ones(len(rows), model.n_heads, 1, device=device)
        self.values = torch.zeros(len(rows), model.n_heads, model.head_dims[entry.layer], device=device)

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the outputs with the rows' heads scaled or replaced where the edits say."""
        touched = self.tokens.holds(place.index[self.rows])
        if not touched.any():
            return states
        own = states[self.rows]
        changed = own * self.factors[:, None].to(own.dtype) + self.values[:, None].to(own.dtype)
        changed = torch.where(touched[..., None, None], changed, own)
        states = states.clone()
        states[self.rows] = changed
        self.record(touched, place, relative_size((changed - own).flatten(2), own.flatten(2)))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the factors and values of some rows."""
        self.tokens.narrow(held)
        self.factors, self.values = self.factors[held], self.values[held]
