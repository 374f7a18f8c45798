"""Begin at the first layer that is edited: below it, a row is as it would be without edits.

A sweep over layers or heads asks the same prompt many times, each time edited from some layer on. The prompt's plain
states are computed once, and each row goes on from them. Rows whose first edited layers are near each other begin
together at the lowest of them: a pass of few positions takes as long as one of many.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine.edits import Edit
from trimtab.engine.local.batch import Batch, collate
from trimtab.engine.local.row_batch import RowBatch
from trimtab.engine.local.session import engine_drives
from trimtab.engine.local.shared_attention import attending, cache_of
from trimtab.models import Model

WORTH = {"cpu": 16, "cuda": 512}
"""Positions that a layer computes in the time that calling it takes whatever their number, about."""


def first_layers(model: Model, edits: Iterable[Sequence[Edit]]) -> list[int]:
    """Return the first edited layer of each row; the number of layers for a row without edits."""
    return [min((layer for edit in row for layer in edit.at_layers(model)), default=model.n_layers) for row in edits]


def saves(model: Model, batch: RowBatch, starts: Sequence[int]) -> bool:
    """Return whether beginning late runs fewer layers than running every row whole."""
    distinct = len({(id(tail.prompt), tail.start) for tail in batch.tails})
    return model.can_begin_late and batch.prefix is not None and distinct * model.n_layers < sum(starts)


@torch.no_grad()
def late_tails(model: Model, batch: RowBatch, starts: Sequence[int]) -> Tensor:
    """Run a batch's tails, each row from its first edited layer on.

    Args:
        model: The model.
        batch: The rows; they have prefixes. Its receipts count what was touched.
        starts: Each row's first edited layer.

    Returns:
        Normalised hidden states of the tails, padded on the left, ``(rows, length, hidden)``.
    """
    assert batch.prefix is not None
    tails = collate(model, batch.tails)
    mask = torch.cat([batch.prefix.mask, tails.mask], dim=1)
    first = {(id(tail.prompt), tail.start): row for row, tail in reversed(list(enumerate(batch.tails)))}
    place = {key: number for number, key in enumerate(first)}
    owner = torch.tensor([place[id(tail.prompt), tail.start] for tail in batch.tails], device=mask.device)
    plain = torch.tensor(list(first.values()), device=mask.device)
    begins = beginnings(starts, model.n_layers, WORTH.get(model.device.type, 16) / tails.mask.shape[1])
    inputs = _plain_inputs(model, batch, tails, mask, plain, set(begins))
    hidden = torch.empty_like(tails.embeds)
    for start, rows in begins.items():
        at = torch.tensor(rows, device=mask.device)
        states = inputs[start][owner[at]]
        if start < model.n_layers:
            session = batch.session(model, rows)
            prefix = batch.prefix.rows(at)
            session.advance(tails.index[at], prefix.index)
            with session.attached(), engine_drives(model):
                cache = cache_of(model, prefix, [batch.tails[row] for row in rows])
                with attending(model, cache):
                    states = model.decode(states, mask[at], tails.positions[:, at], cache, first_layer=start)
        hidden[at] = states
    return hidden


def beginnings(starts: Sequence[int], layers: int, worth: float) -> dict[int, list[int]]:
    """Part rows into those that begin together, so that the passes take the least time.

    A pass from a layer on takes ``layers left * (worth + rows)``.

    Args:
        starts: Each row's first edited layer; ``layers`` for a row without edits, which begins nowhere.
        layers: Layers of the model.
        worth: How many rows take as long as calling a layer does by itself.

    Returns:
        The rows that begin at a layer, by the layer; rows without edits last.
    """
    rows = {start: [row for row, own in enumerate(starts) if own == start] for start in sorted(set(starts))}
    edited = [start for start in rows if start < layers]
    best: list[tuple[float, int]] = [(0.0, 0)]  # of the first so many starts: the time, and where the last pass begins
    for end in range(1, len(edited) + 1):
        ways = []
        for begin in range(end):
            together = sum(len(rows[start]) for start in edited[begin:end])
            ways.append((best[begin][0] + (layers - edited[begin]) * (worth + together), begin))
        best.append(min(ways))
    found: dict[int, list[int]] = {}
    end = len(edited)
    while end:
        begin = best[end][1]
        found[edited[begin]] = [row for start in edited[begin:end] for row in rows[start]]
        end = begin
    return dict(sorted(found.items())) | {start: own for start, own in rows.items() if start == layers}


def _plain_inputs(
    model: Model, batch: RowBatch, tails: Batch, mask: Tensor, rows: Tensor, layers: set[int]
) -> dict[int, Tensor]:
    """Return what enters some layers when rows run without edits; after the last layer, the normalised output."""
    assert batch.prefix is not None
    found: dict[int, Tensor] = {}

    def keep(layer: int) -> Callable[[nn.Module, tuple, dict[str, Any]], None]:
        def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any]) -> None:
            found[layer] = args[0] if args else kwargs["hidden_states"]

        return hook

    with ExitStack() as stack, engine_drives(model):
        for layer in layers - {model.n_layers}:
            handle = model.layers[layer].register_forward_pre_hook(keep(layer), with_kwargs=True)
            stack.callback(handle.remove)
        found[model.n_layers] = model.decode(
            tails.embeds[rows], mask[rows], tails.positions[:, rows], batch.prefix.rows(rows).cache()
        )
    return found
