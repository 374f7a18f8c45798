"""Rows that share a prefix hold it once, and get what a cache of their own would give them."""

from typing import Any, cast

import torch
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from trimtab.engine.local.prefix import Prefix
from trimtab.engine.local.shared_cache import SharedLayer


def states(rows: int, length: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 2, length, 4, generator=torch.Generator().manual_seed(seed))


def prefix(prefixes: int) -> Prefix:
    mask, cache = torch.ones(prefixes, 5, dtype=torch.long), DynamicCache()
    for layer in range(2):
        cache.update(states(prefixes, 5, layer), states(prefixes, 5, 9 + layer), layer)
    return Prefix(tuple(cast(list[DynamicLayer], cache.layers)), mask, mask)


def copied(held: Prefix, rows: list[int]) -> DynamicCache:
    cache = DynamicCache()
    for number, layer in enumerate(held.held):
        keys, values = cast(Any, layer).keys, cast(Any, layer).values
        cache.update(keys[rows], values[rows], number)
    return cache


def test_it_equals_a_cache_of_copies_through_decoding_and_narrowing():
    for prefixes, rows in ((1, [0, 0, 0]), (2, [1, 0, 1])):
        held = prefix(prefixes)
        shared, own = held.rows(rows).cache(), copied(held, rows)
        for step, length in enumerate((3, 1, 1)):
            for layer in range(2):
                new = states(len(rows), length, 20 + step), states(len(rows), length, 30 + step)
                for got, expected in zip(shared.update(*new, layer), own.update(*new, layer), strict=True):
                    assert torch.equal(got, expected)
            assert shared.get_seq_length() == own.get_seq_length()
            assert shared.get_mask_sizes(1, 0) == own.get_mask_sizes(1, 0)
            if step == 1:
                kept = cast(torch.LongTensor, torch.tensor([0, 2]))
                shared.reorder_cache(kept)
                own.reorder_cache(kept)
                rows = [rows[0], rows[2]]


def test_many_rows_hold_one_prefix():
    held = prefix(1)
    cache = held.rows([0] * 100).rows(range(50)).cache()
    cache.update(states(50, 1, 3), states(50, 1, 4), 0)
    layer = cache.layers[0]
    assert isinstance(layer, SharedLayer)
    assert layer.prefixes[0].data_ptr() == cast(Any, held.held[0]).keys.data_ptr()
    assert layer.keys is not None
    assert layer.keys.shape == (50, 2, 1, 4)
    assert layer.get_seq_length() == 6
