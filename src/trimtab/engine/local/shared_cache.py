"""A cache whose prefixes are held once, however many rows go on from each; states that layers carry are copied."""

from __future__ import annotations

from copy import copy
from typing import cast

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer, LinearAttentionLayer

Held = DynamicLayer | LinearAttentionLayer
"""What a layer keeps of prefixes: keys and values of each token, or a state."""


def continued(held: Held, rows: Tensor, whole: bool = True) -> Held:
    """Return what rows go on from in one layer; what is held stays as it is.

    Args:
        held: The layer's part of a cache of prefixes.
        rows: Which prefix each row goes on from, ``(rows,)``.
        whole: See ``SharedLayer``.
    """
    if isinstance(held, LinearAttentionLayer):
        own = copy(held)
        own.conv_states, own.recurrent_states = dict(held.conv_states), dict(held.recurrent_states)
        own.reorder_cache(cast(torch.LongTensor, rows))  # copies each row's
        return own
    assert held.keys is not None
    assert held.values is not None
    return SharedLayer(held.keys, held.values, rows, whole)


class SharedLayer(DynamicLayer):
    """Keys and values of one layer: of prefixes, which rows share, and of what came after, which is each row's own.

    A row's prefix is copied when its layer attends, and let go of afterwards; kept for all rows and layers, the copies
    of a sweep over hundreds of heads would take a hundred times the room.

    Attributes:
        prefixes: Keys and values of the prefixes.
        rows: Which prefix each row goes on from, ``(rows,)``.
        whole: Whether the layer is handed all keys and values of each row, or those behind the prefix alone, because
            its attention knows the prefixes.
    """

    _layer_type = None  # not what transformers is to take for a kind of layer
    keys: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]  # empty before the first tokens, never None
    values: Tensor  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, keys: Tensor, values: Tensor, rows: Tensor, whole: bool = True) -> None:
        """Begin with prefixes.

        Args:
            keys: Keys of the prefixes, ``(prefixes, kv_heads, length, head_dim)``.
            values: The same shape.
            rows: Which prefix each row goes on from, ``(rows,)``.
            whole: See the class.
        """
        super().__init__()
        self.prefixes, self.rows, self.whole = (keys, values), rows, whole
        self._precise: tuple[Tensor, Tensor] | None = None
        self.lazy_initialization(keys, values)
        self.keys, self.values = keys.new_empty(0), values.new_empty(0)

    def update(
        self, key_states: Tensor, value_states: Tensor, *_args: object, **_kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Add the newest tokens' keys and values; return all of each row, or all behind its prefix."""
        self.keys = torch.cat([self.keys, key_states], dim=-2) if self.keys.numel() else key_states
        self.values = torch.cat([self.values, value_states], dim=-2) if self.values.numel() else value_states
        if not self.whole:
            return self.keys, self.values
        keys, values = self.prefixes
        return self._whole(keys, self.keys), self._whole(values, self.values)

    def precise(self) -> tuple[Tensor, Tensor]:
        """Return the prefixes' keys and values in float32: converted once, since every step attends to all of them."""
        if self._precise is None:
            keys, values = self.prefixes
            self._precise = keys.float(), values.float()
        return self._precise

    def _whole(self, prefix: Tensor, own: Tensor) -> Tensor:
        one = len(prefix) == 1
        of_rows = prefix.expand(len(own), -1, -1, -1) if one else prefix[self.rows.to(prefix.device)]
        return torch.cat([of_rows, own], dim=-2)

    def get_seq_length(self) -> int:
        """Return the positions of prefix and own tokens together."""
        return self.prefixes[0].shape[-2] + (self.keys.shape[-2] if self.keys.numel() else 0)

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Go on with some of the rows only."""
        self.rows = self.rows[beam_idx.to(self.rows.device)]
        if self.keys.numel():
            self.keys, self.values = self.keys[beam_idx], self.values[beam_idx]
