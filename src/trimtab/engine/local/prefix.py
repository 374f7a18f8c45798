"""The shared part of many questions, computed once: keys and values of a batch of prompt prefixes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from trimtab.engine.local.batch import Piece, collate
from trimtab.engine.local.session import engine_drives
from trimtab.engine.local.shared_cache import SharedLayer
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Prefix:
    """Keys and values of prompt prefixes, padded on the left; never changed in place.

    Attributes:
        keys: For each layer ``(prefixes, kv_heads, length, head_dim)``, rotary positions already applied.
        values: The same shape.
        mask: 1 at tokens, 0 at padding, ``(rows, length)``.
        index: Token index in its own prompt, -1 at padding, ``(rows, length)``.
        owner: Which prefix each row has, ``(rows,)``; None for one row each, in order.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]
    mask: Tensor
    index: Tensor
    owner: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions, padding included."""
        return self.mask.shape[1]

    def rows(self, which: Sequence[int] | Tensor) -> Prefix:
        """Return a prefix with these rows, repeats allowed; keys and values are shared, not copied."""
        at = torch.as_tensor(which, device=self.mask.device)
        owner = at if self.owner is None else self.owner[at]
        return Prefix(self.keys, self.values, self.mask[at], self.index[at], owner)

    def cache(self) -> DynamicCache:
        """Return a fresh cache to continue from; the prefix itself stays as it is."""
        owner = torch.arange(len(self.mask), device=self.mask.device) if self.owner is None else self.owner
        cache = DynamicCache()
        cache.layers.extend(SharedLayer(k, v, owner) for k, v in zip(self.keys, self.values, strict=True))
        return cache


def prefill(model: Model, pieces: Sequence[Piece]) -> Prefix:
    """Compute the keys and values of unedited prompt prefixes.

    Args:
        model: The model.
        pieces: One for each row; each starts at its prompt's first token.

    Returns:
        The prefixes, padded on the left to one length.
    """
    batch = collate(model, pieces)
    cache = model.family.cache(model.hf)
    with engine_drives(model):
        model.decode(batch.embeds, batch.mask, batch.positions, cache, extras=batch.extras)
    layers = cast(list[DynamicLayer], cache.layers)
    keys, values = tuple(layer.keys for layer in layers), tuple(layer.values for layer in layers)
    return Prefix(cast(Any, keys), cast(Any, values), batch.mask, batch.index)
