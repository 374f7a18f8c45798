"""An attention that shows its scores before the softmax, so that they can be changed: some queries at a time.

A table of all queries by all keys grows with the square of the prompt. Here neither scores nor masks are ever there for
more queries than ``NUMBERS`` allows, as in the attention that is in force elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface

from trimtab.engine.local.attention import SCORES, Masks
from trimtab.engine.local.switching import decoder_attention
from trimtab.models import Model

CHANGE = "_trimtab_change_scores"
"""Attribute of an attention module whose scores are changed in the forward pass under way."""
NUMBERS = 2**24
"""Scores in memory at once, in every head of all rows together; those of one query at the least."""

Change = Callable[[int, Tensor, Tensor | None, slice], Tensor | None]
"""From a layer, the scores of some queries, the mask that is added to them, and which queries they are of, to other
scores; None leaves them as they are."""


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | Masks | None,
    scaling: float,
    dropout: float = 0.0,
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, Tensor | None]:
    """Attend as transformers' ``eager`` does, and let a change that is in force see the scores first.

    Weights are returned where all queries attend at once.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    length = query.shape[2]
    some = max(1, NUMBERS // (query.shape[0] * query.shape[1] * key.shape[2]))
    outputs, weights = [], None
    for start in range(0, length, some):
        queries = slice(start, min(start + some, length))
        scores = query[:, :, queries] @ key.transpose(2, 3) * scaling
        scores = scores if softcap is None else softcap * torch.tanh(scores / softcap)
        weights = _weights(module, scores, mask_of(attention_mask, queries), queries).to(query.dtype)
        weights = nn.functional.dropout(weights, p=dropout, training=module.training)
        outputs.append((weights @ value).transpose(1, 2))
    return torch.cat(outputs, dim=1), weights if some >= length else None


def _weights(module: nn.Module, scores: Tensor, mask: Tensor | None, queries: slice) -> Tensor:
    """Return what some queries' scores, changed, come to, in float32."""
    change: Callable[[Tensor, Tensor | None, slice], Tensor | None] | None = getattr(module, CHANGE, None)
    edited = None if change is None else change(scores, mask, queries)
    scores = scores if edited is None else edited
    return (scores if mask is None else scores + mask).softmax(-1, dtype=torch.float32)


def mask_of(mask: Tensor | Masks | None, queries: slice) -> Tensor | None:
    """Return the mask of some queries."""
    if mask is None or isinstance(mask, Masks):
        return None if mask is None else mask.of(queries)
    return mask[:, :, queries]


def _masks(q_length: int, kv_length: int, q_offset: Any = 0, **given: Any) -> Masks | Tensor:
    """Stand for a mask, of which some queries' part is made when they attend.

    Of a static cache, which has slots without keys and counts with tensors, it is made whole: transformers makes it
    before the pass, and takes tensors alone.
    """
    masks = Masks(q_length, q_offset, {**given, "kv_length": kv_length})
    static = isinstance(q_offset, Tensor) or kv_length != q_offset + q_length
    return masks.whole if static else masks


AttentionInterface.register(SCORES, attend)
AttentionMaskInterface.register(SCORES, _masks)


@contextmanager
def score_changes(model: Model, layer: int, change: Change) -> Iterator[None]:
    """Pass a layer's scores through a change inside the block.

    The decoder, and it alone, attends by ``attend`` there.
    """
    module = model.attentions[layer]
    setattr(module, CHANGE, partial(change, layer))
    try:
        with decoder_attention(model, SCORES):
            yield
    finally:
        delattr(module, CHANGE)
