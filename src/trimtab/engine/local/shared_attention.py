"""Attention of many rows over prefixes that are held once: no row gets a copy of its prefix's keys and values.

Rows with the same prefix multiply their queries with its keys as one product. Scores are computed whole, so this is for
few positions a row, as in sweeps and while decoding; where rows have many, a copy costs less than their scores.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache
from transformers.masking_utils import sdpa_mask

from trimtab.engine.local.attention import SHARED
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.prefix import Prefix
from trimtab.engine.local.shared_cache import SharedLayer
from trimtab.engine.local.switching import decoder_attention
from trimtab.models import Model

ROWS = 8
"""Rows a prefix, from which on copies of it cost more than the products do, about."""
NUMBERS = 2**26
"""Scores in memory at once."""


@dataclass(frozen=True, eq=False)
class Grid:
    """Rows by their prefix, so that one batched product serves all of them.

    Attributes:
        cache: The cache in force.
        prefixes: The prefixes that rows have.
        rows: Which row is in each place, ``(prefixes, rows of each)``; a place too many holds some row once more.
        places: Where each row is, ``(rows,)``, counted through ``rows``.
    """

    cache: DynamicCache
    prefixes: Tensor
    rows: Tensor
    places: Tensor

    @classmethod
    def of(cls, cache: DynamicCache, owner: Tensor) -> Grid:
        """Arrange rows whose prefixes are given, ``(rows,)``."""
        own = owner.tolist()
        of_each = {prefix: [row for row, one in enumerate(own) if one == prefix] for prefix in sorted(set(own))}
        width = max(map(len, of_each.values()))
        places = torch.empty(len(own), dtype=torch.long)
        for number, rows in enumerate(of_each.values()):
            places[rows] = torch.arange(len(rows)) + number * width
        filled = [rows + rows[:1] * (width - len(rows)) for rows in of_each.values()]
        prefixes, rows = torch.tensor(list(of_each)), torch.tensor(filled)
        return cls(cache, *(made.to(owner.device) for made in (prefixes, rows, places)))


_GRID: ContextVar[Grid] = ContextVar("grid")


def cache_of(model: Model, prefix: Prefix, tails: Sequence[Piece]) -> DynamicCache:
    """Return a cache that rows continue from with their tails."""
    worth = _few(model, max(tail.end - tail.start for tail in tails)) and _many(prefix, tails)
    plain = model.family.why_not_plain is None and not model.recurrent and not any(model.windows)
    alike = model.mask_rule == "causal" and model.text_config._attn_implementation == "sdpa"
    return prefix.cache(whole=not (worth and plain and alike and len(prefix.held) == model.n_layers))


def _few(model: Model, length: int) -> bool:
    """Whether the scores of a row with so many positions take less than a copy of its keys."""
    return length <= max(model.head_dims)


def _many(prefix: Prefix, tails: Sequence[Piece]) -> bool:
    """Whether rows are many to a prefix, about as many to each, and ask the same, as in sweeps."""
    if prefix.owner is None or len(tails) < ROWS * len({id(tail.prompt) for tail in tails}):
        return False
    counts = prefix.owner.unique(return_counts=True)[1].tolist()
    return len(prefix.owner) >= ROWS * len(counts) and max(counts) * len(counts) <= 2 * len(prefix.owner)


@contextmanager
def attending(model: Model, cache: DynamicCache | None) -> Iterator[None]:
    """Have the decoder attend as a cache asks for, inside the block."""
    first = cache.layers[0] if cache is not None and cache.layers else None
    if cache is None or not isinstance(first, SharedLayer) or first.whole:
        yield
        return
    token = _GRID.set(Grid.of(cache, first.rows))
    try:
        with decoder_attention(model, SHARED):
            yield
    finally:
        _GRID.reset(token)


def _attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **_: object,
) -> tuple[Tensor, None]:
    """Attend with queries ``(rows, heads, length, width)``; keys and values are those behind the prefix alone."""
    grid = _GRID.get()
    number: object = module.layer_idx
    assert isinstance(number, int)
    layer = grid.cache.layers[number]
    assert isinstance(layer, SharedLayer)
    heads, length = query.shape[1], query.shape[2]
    entries = layer.prefixes[0].shape[2] + key.shape[2]
    if attention_mask is None and length > 1:  # the causal one
        attention_mask = torch.ones(length, entries, dtype=torch.bool, device=query.device).tril(entries - length)
        attention_mask = attention_mask.expand(len(query), 1, -1, -1)
    prefixes, rows, places = (own.to(query.device) for own in (grid.prefixes, grid.rows, grid.places))
    step = max(1, NUMBERS // (len(rows) * heads * length * entries))
    keys, values = (own if len(prefixes) == len(own) else own[prefixes] for own in layer.precise())
    parts = [
        _products(
            query[at], key[at], value[at], keys, values, None if attention_mask is None else attention_mask[at], scaling
        )
        for at in rows.split(step, dim=1)
    ]
    whole = torch.cat(parts, dim=1).flatten(0, 1)[places]
    return whole.transpose(1, 2).to(query.dtype), None


def _products(
    query: Tensor, key: Tensor, value: Tensor, keys: Tensor, values: Tensor, seen: Tensor | None, scaling: float
) -> Tensor:
    """Return heads' outputs of rows by their prefix, in float32.

    Args:
        query: ``(prefixes, rows, heads, length, width)``.
        key: The rows' own, ``(prefixes, rows, kv_heads, own, width)``.
        value: The same shape.
        keys: The prefixes', ``(prefixes, kv_heads, entries, width)``.
        values: The same shape.
        seen: True where a query sees a key, of prefix and own, ``(prefixes, rows, heads or 1, length, entries + own)``.
        scaling: What scores are multiplied with.

    Returns:
        ``(prefixes, rows, heads, length, width)``.
    """
    kv_heads, slots = keys.shape[1], keys.shape[2]
    grouped = (scaling * query.float()).unflatten(2, (kv_heads, -1)).transpose(1, 2)  # prefix, kv head, row, group, ...
    of_prefix = grouped.flatten(2, 4) @ keys.mT
    own_keys, own_values = (own.float().transpose(1, 2).unsqueeze(3) for own in (key, value))
    scores = torch.cat([of_prefix.view(*grouped.shape[:-1], slots), grouped @ own_keys.mT], dim=-1)
    if seen is not None:
        by_head = seen.unflatten(2, (kv_heads, -1) if seen.shape[2] > 1 else (1, 1)).transpose(1, 2)
        scores = scores.masked_fill(~by_head, torch.finfo(scores.dtype).min)
    weights = scores.softmax(-1)
    outputs = (weights[..., :slots].flatten(2, 4) @ values).view(grouped.shape) + weights[..., slots:] @ own_values
    return outputs.transpose(1, 2).flatten(2, 3)


AttentionInterface.register(SHARED, _attend)
AttentionMaskInterface.register(SHARED, sdpa_mask)
