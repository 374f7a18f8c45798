"""An attention that shows its scores before the softmax, and the edits of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from trimtab.engine.edits import Edit, LinearScoreEdit, RedistributeAttention, ScoreEdit, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.attention import SCORES
from trimtab.engine.local.bundles import Bundle
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.local.switching import decoder_attention
from trimtab.engine.receipt import Entry
from trimtab.models import Model

CHANGE = "_trimtab_change_scores"
"""Attribute of an attention module whose scores are changed in the forward pass under way."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
    **_: Any,
) -> tuple[Tensor, Tensor]:
    """Attend as transformers' ``eager`` does, and let a change that is in force see the scores first."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * scaling
    change: Callable[[Tensor], Tensor | None] | None = getattr(module, CHANGE, None)
    edited = None if change is None else change(scores)
    scores = scores if edited is None else edited
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(SCORES, attend)
AttentionMaskInterface.register(SCORES, eager_mask)


@contextmanager
def score_changes(model: Model, layer: int, change: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Pass a layer's scores through ``change(layer, scores)`` inside the block; None leaves them as they are.

    The decoder, and it alone, attends by ``attend`` there.
    """
    module = model.attentions[layer]
    setattr(module, CHANGE, partial(change, layer))
    try:
        with decoder_attention(model, SCORES):
            yield
    finally:
        delattr(module, CHANGE)


def make_score_bundle(
    model: Model, rows: Sequence[int], edits: Sequence[Edit], prompts: Sequence[Encoded], entry: Entry
) -> ScoreBundle:
    """Make the bundle of score edits of one kind at one layer, one for each row."""
    if isinstance(edits[0], RedistributeAttention):
        return RedistributeBundle(rows, cast(Sequence[RedistributeAttention], edits), prompts, entry)
    return LinearScoreBundle(rows, cast(Sequence[LinearScoreEdit], edits), prompts, entry)


class ScoreBundle(Bundle):
    """Score edits of one kind at one layer, ``(rows, heads, queries, keys)``."""

    def __init__(
        self, rows: Sequence[int], edits: Sequence[ScoreEdit], prompts: Sequence[Encoded], entry: Entry
    ) -> None:
        super().__init__(rows, prompts[0].ids.device, entry)
        pairs = list(zip(edits, prompts, strict=True))
        owner = type(edits[0]).__name__
        self.sources = TokenSets([resolve(e.source, p, "source", owner) for e, p in pairs])
        self.targets = TokenSets([resolve(e.target, p, "target", owner) for e, p in pairs])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the scores with the rows' edges changed."""
        queries, keys = place.index[self.rows], place.keys[self.rows]
        looks = self.targets.holds(queries)
        if not looks.any():
            return states
        own = states[self.rows]
        change, edges = self.change(own, queries, keys)
        touched = looks & edges.any(-1)
        if not touched.any():
            return states
        change = change.masked_fill(~looks[:, None, :, None], 0.0)
        states = states.clone()
        states[self.rows] = own + change.to(own.dtype)
        # The size of an edit: what it added to a query's scores, beside their own size, averaged over heads.
        size = change.norm(dim=-1) / own.norm(dim=-1).clamp_min(1e-12)
        self.record(touched, place, size.float().mean(1))
        return states

    @abstractmethod
    def change(self, scores: Tensor, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return what to add to the scores, and which edges that concerns, ``(rows, queries, keys)``."""

    def keep(self, held: Tensor) -> None:
        """Keep the edges of some rows."""
        self.sources.narrow(held)
        self.targets.narrow(held)


class LinearScoreBundle(ScoreBundle):
    """``BoostAttention`` or ``FlattenAttention``."""

    def __init__(
        self, rows: Sequence[int], edits: Sequence[LinearScoreEdit], prompts: Sequence[Encoded], entry: Entry
    ) -> None:
        super().__init__(rows, edits, prompts, entry)
        self.factors = torch.tensor([e.change() for e in edits], device=prompts[0].ids.device)

    def change(self, scores: Tensor, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return multiples of the scores' sizes and of themselves."""
        edges = self.sources.holds(keys)[:, None].expand(-1, queries.shape[1], -1)
        by_size, by_score = self.factors.to(scores.dtype).T[:, :, None, None, None]
        return (by_size * scores.abs() + by_score * scores) * edges[:, None], edges

    def keep(self, held: Tensor) -> None:
        """Keep the edges and factors of some rows."""
        super().keep(held)
        self.factors = self.factors[held]


class RedistributeBundle(ScoreBundle):
    """``RedistributeAttention``: a change of attention by a factor is the factor's logarithm, added to the score."""

    def __init__(
        self, rows: Sequence[int], edits: Sequence[RedistributeAttention], prompts: Sequence[Encoded], entry: Entry
    ) -> None:
        super().__init__(rows, edits, prompts, entry)
        pairs = zip(edits, prompts, strict=True)
        self.sinks = TokenSets([resolve(e.sinks, p, "sinks", "RedistributeAttention") for e, p in pairs])
        self.rules = torch.tensor([(e.strength, e.least, e.most_sink) for e in edits], device=prompts[0].ids.device)

    def change(self, scores: Tensor, queries: Tensor, keys: Tensor) -> tuple[Tensor, Tensor]:
        """Return logarithms of how much more or less attention each key gets."""
        seen = (keys >= 0)[:, None] & (keys[:, None] <= queries[..., None])
        attention = scores.float().masked_fill(~seen[:, None], -torch.inf).softmax(-1)
        sink, source = self.sinks.holds(keys), self.sources.holds(keys)

        def held(by: Tensor) -> Tensor:
            return (attention * by[:, None, None]).sum(-1, keepdim=True)

        on_sinks, receiving, sinking = held(sink), held(source & ~sink), held(source & sink)
        strength, least, most_sink = self.rules.T[..., None, None, None]
        looks = receiving + sinking
        moves = (looks >= least) & (sinking <= most_sink * looks) & (receiving > 0) & (on_sinks > 0)
        more = torch.log((receiving + strength * on_sinks) / receiving.clamp_min(1e-12))
        less = torch.log((1 - strength).clamp_min(1e-12))
        change = torch.where(sink[:, None, None], less, more) * (sink | source)[:, None, None] * moves
        return change, seen & (sink | source)[:, None]

    def keep(self, held: Tensor) -> None:
        """Keep the edges, sinks and rules of some rows."""
        super().keep(held)
        self.sinks.narrow(held)
        self.rules = self.rules[held]
