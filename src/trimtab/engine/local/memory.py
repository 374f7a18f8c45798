"""How many rows fit in memory: a first guess from sizes; what is given up, and in which order, when it was too many."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from trimtab.engine.local.scores import NUMBERS
from trimtab.engine.local.session import Session
from trimtab.models import (
    ENCODED_AT_ONCE,
    Model,
    devices_of,
    free_bytes,
    out_of_memory,
    release,
    too_large,
    tower_bytes,
)

__all__ = ["FREE_SHARE", "MOST_ROWS", "first_guess", "halving", "out_of_memory", "release", "rows_within", "too_large"]

logger = logging.getLogger(__name__)

MOST_ROWS = {"cpu": 64, "cuda": 512}
"""More rows than this gain nothing: a CPU's caches overflow, a GPU is already busy."""

WIDEST_BYTES = 2**24
"""Of a CPU's widest tensor: larger ones leave its caches, and the C library asks the system for each of them anew."""

FREE_SHARE = 0.4
"""Share of the free memory a batch may plan for; the rest is for what we do not count."""

TABLES = 3
"""Tables of attention scores in float32 that are in memory together where one is edited: before, after, softmax."""

T = TypeVar("T")


def first_guess(model: Model, length: int, *, scores: bool = False, masks: int = 0, picture: int = 0) -> int:
    """Guess how many rows of ``length`` tokens fit.

    Counts each row's keys and values, or the states that layers carry, one layer's copy of the prefix it shares, a few
    hidden states, the feed-forward states of one layer, one row of logits, and what the vision tower takes for the
    pictures that it encodes together.

    Args:
        model: The model.
        length: Tokens of a row.
        scores: Whether a layer's attention is computed as tables, as for edits of it; ``NUMBERS`` of ``scores`` bounds
            them.
        masks: Heads for which a row has a mask over all of its tokens, as where attention is blocked.
        picture: Positions of the largest picture.
    """
    item, config = torch.finfo(model.dtype).bits // 8, model.text_config
    states = 2 * (sum(model.key_widths) + 2 * max(model.key_widths))
    states += 12 * model.hidden_size + 3 * config.intermediate_size
    row = item * length * states + 8 * config.vocab_size + _state_bytes(model)
    row += masks * (2 + item) * length**2
    table = TABLES * 4 * model.n_heads * length**2
    tower = tower_bytes(model.hf, model.dtype, max(picture, ENCODED_AT_ONCE)) if picture else 0
    if config._attn_implementation == "eager":
        row += table
    rows = rows_within(model, row, tower)
    if scores:  # whole tables of few rows take less than the part that is made of those of many
        rows = max(rows_within(model, row + table, tower), rows_within(model, row, tower + TABLES * 4 * NUMBERS))
    return min(rows, MOST_ROWS.get(model.device.type, 64))


def positions_at_once(model: Model) -> int | None:
    """Return how many positions gain from being computed together; None for as many as fit.

    On a CPU more take longer each: smol-llava's prompts take 1.4 times as long 96 at a time as 16 at a time.
    """
    if model.device.type != "cpu":
        return None
    return max(1, WIDEST_BYTES * 8 // torch.finfo(model.dtype).bits // model.text_config.intermediate_size)


def _state_bytes(model: Model) -> int:
    """Return what the layers of a row take that carry a state, in float32, beside the copy that updates it."""
    config, layers = model.text_config, model.n_layers - sum(model.attends)
    heads, width = getattr(config, "linear_num_value_heads", 0), getattr(config, "linear_value_head_dim", 0)
    return 4 * (layers + 1) * heads * width * getattr(config, "linear_key_head_dim", 0)


def rows_within(model: Model, row_bytes: float, reserved: float = 0) -> int:
    """Return how many rows of a size fit into the memory that a batch may plan for, at least 1.

    A model that is spread over devices computes each layer where it is, so the fullest device sets the pace.

    Args:
        model: The model.
        row_bytes: Bytes of a row.
        reserved: Bytes that are needed however many rows there are.
    """
    devices = devices_of(model)
    free = len(devices) * min(free_bytes(device) for device in devices)
    return max(1, int((FREE_SHARE * free - reserved) / row_bytes))


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
            size = Session.of(model).batch_size = max(1, (end - start) // 2)
            logger.warning("Out of memory at %d rows; going on with batches of %d.", end - start, size)
        forgotten = start
        model.give_up_media()
        release()
