"""Rows that share a prefix hold it once, and get what a cache of their own would give them."""

import torch
from transformers import DynamicCache

from trimtab.engine.local.prefix import Prefix
from trimtab.engine.local.shared_cache import SharedLayer


def states(rows: int, length: int, seed: int) -> torch.Tensor:
    return torch.randn(rows, 2, length, 4, generator=torch.Generator().manual_seed(seed))


def prefix(prefixes: int) -> Prefix:
    mask = torch.ones(prefixes, 5, dtype=torch.long)
    layers = range(2)
    return Prefix(
        tuple(states(prefixes, 5, i) for i in layers), tuple(states(prefixes, 5, 9 + i) for i in layers), mask, mask
    )


def copied(held: Prefix, rows: list[int]) -> DynamicCache:
    cache = DynamicCache()
    for layer, (k, v) in enumerate(zip(held.keys, held.values, strict=True)):
        cache.update(k[rows], v[rows], layer)
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
                kept = torch.tensor([0, 2])
                shared.batch_select_indices(kept)
                own.batch_select_indices(kept)
                rows = [rows[0], rows[2]]


def test_many_rows_hold_one_prefix():
    held = prefix(1)
    cache = held.rows([0] * 100).rows(range(50)).cache()
    cache.update(states(50, 1, 3), states(50, 1, 4), 0)
    layer = cache.layers[0]
    assert isinstance(layer, SharedLayer)
    assert layer._prefixes[0].data_ptr() == held.keys[0].data_ptr()
    assert layer.keys is not None
    assert layer.keys.shape == (50, 2, 1, 4)
    assert layer.get_seq_length() == 6
