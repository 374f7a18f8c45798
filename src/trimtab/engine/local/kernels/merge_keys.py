"""``MergeKeys``."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from trimtab.engine.edits import MergeKeys
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.attention import seen_keys
from trimtab.engine.local.kernels.kernel import KERNELS
from trimtab.engine.local.kernels.scores import ScoreKernel
from trimtab.engine.local.place import Place
from trimtab.engine.receipt import Entry
from trimtab.models import Model


@KERNELS.register
class MergeKeysKernel(ScoreKernel[MergeKeys]):
    """``MergeKeys``: remembers how much each token looked at the source, and merges by it where a target looks."""

    edit = MergeKeys.__name__

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[MergeKeys],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        device = self.rows.device
        self.starts = torch.tensor([e.start(p) for e, p in zip(edits, prompts, strict=True)], device=device)
        self.rules = torch.tensor([(e.strength, e.kept) for e in edits], device=device)
        # How much each token looked at the source, -1 where that is not known, (rows, tokens).
        self.looked = torch.full((len(rows), 0), -1.0, device=device)

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Remember how much the queries look at the source, and return the scores as if keys were merged."""
        if not len(self.rows):  # all of its rows have their answers
            return states
        queries, keys = place.index[self.rows], place.keys[self.rows]
        seen = seen_keys(place.mask, place)[self.rows]
        attention = states[self.rows].float().masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num()
        looks = (attention * self.sources.holds(keys)[:, None, None]).sum(-1).mean(1)
        self._remember(queries, looks)
        return super().apply(states, place)

    def _remember(self, queries: Int[Tensor, "rows queries"], looks: Float[Tensor, "rows queries"]) -> None:
        lacking = int(queries.max()) + 1 - self.looked.shape[1]
        if lacking > 0:
            self.looked = torch.cat([self.looked, self.looked.new_full((len(queries), lacking), -1.0)], dim=1)
        row, column = (queries >= 0).nonzero(as_tuple=True)
        self.looked[row, queries[row, column]] = looks[row, column]

    def change(self, scores: Tensor, queries: Tensor, keys: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Return what merging adds to the scores, query by query that is a target."""
        seen = seen_keys(place.mask, place)[self.rows]
        change = torch.zeros_like(scores, dtype=torch.float32)
        edges = torch.zeros(*queries.shape, keys.shape[1], dtype=torch.bool, device=scores.device)
        for column in self.targets.holds(queries).any(0).nonzero().flatten().tolist():
            merged = self._may_merge(queries[:, column])
            owner = nearest_kept(self._kept(merged), merged)
            visible = seen[:, :, column] & (keys >= 0)[:, None]
            change[:, :, column] = self._merge(scores[:, :, column].float(), keys, visible, owner)
            edges[:, column] = merged.gather(1, keys.clamp_min(0)) & (keys >= 0)
        return change * self.rules[:, :1, None, None], edges

    def _may_merge(self, query: Int[Tensor, " rows"]) -> Bool[Tensor, "rows tokens"]:
        """Return the tokens that are merged or kept for a query of each row."""
        tokens = torch.arange(self.looked.shape[1], device=query.device)
        return (tokens >= self.starts[:, None]) & (tokens < query[:, None]) & (self.looked >= 0)

    def _kept(self, merged: Bool[Tensor, "rows tokens"]) -> Bool[Tensor, "rows tokens"]:
        """Return which of them are kept: a share, those that looked at the source the most."""
        order = self.looked.masked_fill(~merged, -2.0).sort(dim=-1, descending=True, stable=True).indices
        count = (merged.sum(-1) * self.rules[:, 1]).floor()
        first = torch.arange(merged.shape[1], device=merged.device) < count[:, None]
        return torch.zeros_like(merged).scatter(1, order, first)

    def _merge(
        self,
        scores: Float[Tensor, "rows heads keys"],
        keys: Int[Tensor, "rows keys"],
        visible: Bool[Tensor, "rows _ keys"],
        owner: Int[Tensor, "rows tokens"],
    ) -> Float[Tensor, "rows heads keys"]:
        """Return the group's mean score less the logarithm of its number, less the score itself."""
        group = owner.gather(1, keys.clamp_min(0))[:, None].expand(scores.shape)
        counted = visible.expand(scores.shape).float()
        empty = scores.new_zeros(*scores.shape[:2], owner.shape[1])
        sizes = empty.scatter_add(2, group, counted).gather(2, group).clamp_min(1)
        sums = empty.scatter_add(2, group, scores * counted).gather(2, group)
        return torch.where((counted > 0) & (sizes > 1), sums / sizes - sizes.log() - scores, 0.0)

    def keep(self, held: Tensor) -> None:
        """Keep the edges of some rows, and what their tokens looked at."""
        super().keep(held)
        self.starts, self.rules, self.looked = self.starts[held], self.rules[held], self.looked[held]


def nearest_kept(kept: Bool[Tensor, "rows tokens"], merged: Bool[Tensor, "rows tokens"]) -> Int[Tensor, "rows tokens"]:
    """Return the kept token that each merged one is nearest to, the earlier of two; any other one for itself.

    In a row that keeps none, every token stands for itself.
    """
    tokens = torch.arange(kept.shape[1], device=kept.device).expand(kept.shape)
    far = 2 * kept.shape[1]
    before = torch.where(kept, tokens, -far).cummax(-1).values
    after = torch.where(kept, tokens, far + tokens.shape[1]).flip(-1).cummin(-1).values.flip(-1)
    nearest = torch.where(tokens - before <= after - tokens, before, after)
    return torch.where(merged & kept.any(-1, keepdim=True), nearest, tokens)
