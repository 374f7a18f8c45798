"""An attention that shows its scores before the softmax, so that they can be changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from trimtab.engine.local.attention import SCORES
from trimtab.engine.local.switching import decoder_attention
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
    softcap: float | None = None,
    **_: object,
) -> tuple[Tensor, Tensor]:
    """Attend as transformers' ``eager`` does, and let a change that is in force see the scores first."""
    groups = query.shape[1] // key.shape[1]
    key, value = (states.repeat_interleave(groups, dim=1) for states in (key, value))
    scores = query @ key.transpose(2, 3) * scaling
    scores = scores if softcap is None else softcap * torch.tanh(scores / softcap)
    change: Callable[[Tensor, Tensor | None], Tensor | None] | None = getattr(module, CHANGE, None)
    edited = None if change is None else change(scores, attention_mask)
    scores = scores if edited is None else edited
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = scores.softmax(-1, dtype=torch.float32).to(query.dtype)
    weights = nn.functional.dropout(weights, p=dropout, training=module.training)
    return (weights @ value).transpose(1, 2).contiguous(), weights


AttentionInterface.register(SCORES, attend)
AttentionMaskInterface.register(SCORES, eager_mask)


@contextmanager
def score_changes(
    model: Model, layer: int, change: Callable[[int, Tensor, Tensor | None], Tensor | None]
) -> Iterator[None]:
    """Pass a layer's scores through ``change(layer, scores, mask)`` inside the block; None leaves them as they are.

    The decoder, and it alone, attends by ``attend`` there.
    """
    module = model.attentions[layer]
    setattr(module, CHANGE, partial(change, layer))
    try:
        with decoder_attention(model, SCORES):
            yield
    finally:
        delattr(module, CHANGE)
