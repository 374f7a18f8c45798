"""How many rows fit in memory: a first guess from sizes; what is given up, and in which order, when it was too many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from trimtab.models import Model
from trimtab.models.space import devices_of, free_bytes, out_of_memory, release, too_large

__all__ = ["FREE_SHARE", "MOST_ROWS", "first_guess", "halving", "out_of_memory", "release", "rows_within", "too_large"]

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
    """Return how many rows of a size fit into the memory that a batch may plan for, at least 1.

    A model that is spread over devices computes each layer where it is, so the fullest device sets the pace.
    """
    devices = devices_of(model.hf)
    free = len(devices) * min(free_bytes(device) for device in devices)
    return max(1, int(FREE_SHARE * free / row_bytes))


def halving(
    model: Model,
    size: int,
    n: int,
    work: Callable[[int, int], T],
    row: Callable[[int], str] | None = None,
) -> Iterator[tuple[int, int, T]]:
    """Call ``work(start, end)`` over ``n`` rows in batches; when memory runs out, give something up and go on.

    Remembered pictures are given up first, since they can be computed again; then the batch is halved.

    Args:
        model: Remembers the size that fitted, for later calls.
        size: Rows of the first batch.
        n: Rows in all.
        work: Computes rows ``start`` to ``end``.
        row: Says what a row is, for the error where one by itself does not fit.

    Yields:
        ``(start, end, result)`` of each batch, in order.

    Raises:
        NotEnoughMemoryError: A single row does not fit.
    """
    start, forgotten = 0, -1
    while start < n:
        end = min(start + size, n)
        done: list[T] = []
        try:
            done.append(work(start, end))
        except Exception as error:
            if not out_of_memory(error):
                raise
            if end - start == 1 and forgotten == start:
                raise too_large(model, row(start) if row else "one row", error) from error
        if done:
            yield start, end, done[0]
            start = end
            continue
        # Here the error is gone, and with it the tensors that its frames held.
        if forgotten == start:
            size = model.batch_size = max(1, (end - start) // 2)
            logger.warning("Out of memory at %d rows; going on with batches of %d.", end - start, size)
        forgotten = start
        model.give_up_images()
        release()
