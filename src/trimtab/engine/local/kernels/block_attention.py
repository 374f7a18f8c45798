"""``BlockAttention``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.edits import BlockAttention, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import KERNELS, Kernel
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class BlockAttentionKernel(Kernel[BlockAttention]):
    """``BlockAttention`` on which keys each query sees, ``(rows, heads or 1, queries, keys)``, True where it does."""

    edit = BlockAttention.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[BlockAttention],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        pairs = list(zip(edits, prompts, strict=True))
        for edit, prompt in pairs:
            edit.reach(prompt)  # refuses a row without an edge to cut
        self.sources = TokenSets([resolve(e.source, p, "source", "BlockAttention") for e, p in pairs])
        self.targets = TokenSets([resolve(e.target, p, "target", "BlockAttention") for e, p in pairs])
        self.heads: Tensor | None = None
        if any(edit.heads is not None for edit in edits):
            self.heads = torch.zeros(len(rows), model.n_heads, dtype=torch.bool, device=self.rows.device)
            for row, edit in enumerate(edits):
                self.heads[row, list(edit.heads) if edit.heads is not None else slice(None)] = True

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return what is seen without the edges that the rows' edits cut."""
        queries, keys = place.index[self.rows], place.keys[self.rows]
        earlier = (keys[:, None] >= 0) & (keys[:, None] < queries[..., None])  # never a token's edge to itself
        cut = self.targets.holds(queries)[..., None] & self.sources.holds(keys)[:, None] & earlier
        touched = cut.any(-1)
        if not touched.any():
            return states
        per_head = cut[:, None] if self.heads is None else cut[:, None] & self.heads[:, :, None, None]
        states = states.expand(-1, max(states.shape[1], per_head.shape[1]), -1, -1).clone()
        states[self.rows] &= ~per_head
        # The size of a cut: the share of the keys before it that a target lost, averaged over heads.
        share = 1.0 if self.heads is None else self.heads.float().mean(-1)[:, None]
        self.record(touched, place, share * cut.sum(-1) / queries.clamp_min(1))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the edges and heads of some rows."""
        self.sources.narrow(held)
        self.targets.narrow(held)
        if self.heads is not None:
            self.heads = self.heads[held]
