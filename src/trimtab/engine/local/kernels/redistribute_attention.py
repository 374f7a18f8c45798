"""``RedistributeAttention``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.engine.edits import RedistributeAttention, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.attention import seen_keys
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.local.kernels.scores import ScoreKernel
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class RedistributeAttentionKernel(ScoreKernel[RedistributeAttention]):
    """``RedistributeAttention``: a change of attention by a factor is the factor's logarithm, added to the score."""

    edit = RedistributeAttention.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[RedistributeAttention],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        pairs = zip(edits, prompts, strict=True)
        self.sinks = TokenSets([resolve(e.sinks, p, "sinks", "RedistributeAttention") for e, p in pairs])
        self.rules = torch.tensor(
            [(e.strength, e.min_attention, e.max_sink_share) for e in edits], device=self.rows.device
        )

    def change(self, scores: Tensor, queries: Tensor, keys: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Return logarithms of how much more or less attention each key gets."""
        seen = seen_keys(place.mask, place)[self.rows]
        attention = scores.float().masked_fill(~seen, -torch.inf).softmax(-1)
        sink, source = self.sinks.holds(keys), self.sources.holds(keys)

        def held(by: Tensor) -> Tensor:
            return (attention * by[:, None, None]).sum(-1, keepdim=True)

        on_sinks, receiving, sinking = held(sink), held(source & ~sink), held(source & sink)
        strength, min_attention, max_sink_share = self.rules.T[..., None, None, None]
        looks = receiving + sinking
        moves = (looks >= min_attention) & (sinking <= max_sink_share * looks) & (receiving > 0) & (on_sinks > 0)
        more = torch.log((receiving + strength * on_sinks) / receiving.clamp_min(1e-12))
        less = torch.log((1 - strength).clamp_min(1e-12))
        concerned = (sink | source)[:, None, None] & moves
        change = torch.where(sink[:, None, None], less, more).where(concerned, 0.0)  # where nothing is seen: -inf
        # As with other edits of scores, an edge counts where its key comes before, though a window may hide it.
        before = (keys >= 0)[:, None] & (keys[:, None] <= queries[..., None])
        return change, (before | seen.any(1)) & (sink | source)[:, None]

    def keep(self, held: Tensor) -> None:
        """Keep the edges, sinks and rules of some rows."""
        super().keep(held)
        self.sinks.narrow(held)
        self.rules = self.rules[held]
