"""How many rows fit in memory: a first guess from sizes, halved when it was too many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import psutil
import torch

from trimtab.models import Model

logger = logging.getLogger(__name__)

MOST_ROWS = {"cpu": 64, "cuda": 512}
"""More rows than this gain nothing: a CPU's caches overflow, a GPU is already busy."""

FREE_SHARE = 0.4
"""Share of the free memory a batch may plan for; the rest is for what we do not count."""

T = TypeVar("T")


def first_guess(model: Model, length: int) -> int:
    """Guess how many rows of ``length`` tokens fit.

    Counts keys and values twice (a prefix and its copy), a few hidden states, and one row of logits.
    """
    item = torch.finfo(model.dtype).bits // 8
    config = model.text_config
    kv = 4 * model.n_layers * config.num_key_value_heads * model.head_dim
    row = item * length * (kv + 12 * model.hidden_size) + 8 * config.vocab_size
    return min(rows_within(model, row), MOST_ROWS.get(model.device.type, 64))


def rows_within(model: Model, row_bytes: float) -> int:
    """Return how many rows of a size fit into the memory that a batch may plan for, at least 1."""
    return max(1, int(FREE_SHARE * _free_bytes(model.device) / row_bytes))


def halving(model: Model, size: int, n: int, work: Callable[[int, int], T]) -> Iterator[tuple[int, int, T]]:
    """Call ``work(start, end)`` over ``n`` rows in batches; when memory runs out, halve the batch and go on.

    Args:
        model: Remembers the size that fitted, for later calls.
        size: Rows of the first batch.
        n: Rows in all.
        work: Computes rows ``start`` to ``end``.

    Yields:
        ``(start, end, result)`` of each batch, in order.
    """
    start = 0
    while start < n:
        end = min(start + size, n)
        try:
            result = work(start, end)
        except (torch.OutOfMemoryError, RuntimeError, MemoryError) as error:
            if not out_of_memory(error) or end - start == 1:
                raise
            size = model.batch_size = max(1, (end - start) // 2)
            logger.warning("Out of memory at %d rows; going on with batches of %d.", end - start, size)
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
            continue
        yield start, end, result
        start = end


def out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on whichever device."""
    text = str(error)
    known = ("out of memory", "DefaultCPUAllocator", "can't allocate memory")
    return isinstance(error, (torch.OutOfMemoryError, MemoryError)) or any(k in text for k in known)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return psutil.virtual_memory().available
