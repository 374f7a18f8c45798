"""An attention that shows its scores before the softmax, and the edits of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from trimtab.engine.bundles import Bundle
from trimtab.engine.edits import Edit, ScoreEdit, resolve
from trimtab.engine.encode import Encoded
from trimtab.engine.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model

IMPLEMENTATION = "trimtab_scores"
"""Name under which transformers knows this attention."""

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


AttentionInterface.register(IMPLEMENTATION, attend)
AttentionMaskInterface.register(IMPLEMENTATION, eager_mask)


@contextmanager
def score_changes(model: Model, layer: int, change: Callable[[int, Tensor], Tensor | None]) -> Iterator[None]:
    """Pass a layer's scores through ``change(layer, scores)`` inside the block; None leaves them as they are.

    The decoder, and it alone, attends by ``attend`` there.
    """
    module, before = model.attentions[layer], model.text_config._attn_implementation
    model.text_config._attn_implementation = IMPLEMENTATION
    setattr(module, CHANGE, partial(change, layer))
    try:
        yield
    finally:
        delattr(module, CHANGE)
        model.text_config._attn_implementation = before


def make_score_bundle(
    model: Model, rows: Sequence[int], edits: Sequence[Edit], prompts: Sequence[Encoded], entry: Entry
) -> ScoreBundle:
    """Make the bundle of score edits of one kind at one layer, one for each row."""
    return ScoreBundle(rows, cast(Sequence[ScoreEdit], edits), prompts, entry)


class ScoreBundle(Bundle):
    """Score edits of one kind at one layer, ``(rows, heads, queries, keys)``."""

    def __init__(
        self, rows: Sequence[int], edits: Sequence[ScoreEdit], prompts: Sequence[Encoded], entry: Entry
    ) -> None:
        device = prompts[0].ids.device
        super().__init__(rows, device, entry)
        pairs = list(zip(edits, prompts, strict=True))
        owner = type(edits[0]).__name__
        self.sources = TokenSets([resolve(e.source, p, "source", owner) for e, p in pairs])
        self.targets = TokenSets([resolve(e.target, p, "target", owner) for e, p in pairs])
        self.factors = torch.tensor([e.change() for e in edits], device=device)

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the scores with the rows' edges changed."""
        queries, keys = place.index[self.rows], place.keys[self.rows]
        changed = self.targets.holds(queries)[..., None] & self.sources.holds(keys)[:, None]
        touched = changed.any(-1)
        if not touched.any():
            return states
        own = states[self.rows]
        by_size, by_score = self.factors.to(own.dtype).T[:, :, None, None, None]
        change = (by_size * own.abs() + by_score * own) * changed[:, None]
        states = states.clone()
        states[self.rows] = own + change
        # The size of an edit: what it added to a query's scores, beside their own size, averaged over heads.
        size = change.norm(dim=-1) / own.norm(dim=-1).clamp_min(1e-12)
        self.record(touched, place, size.float().mean(1))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the edges and factors of some rows."""
        self.sources.narrow(held)
        self.targets.narrow(held)
        self.factors = self.factors[held]
