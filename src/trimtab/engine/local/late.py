"""Begin at the first layer that is edited: below it, a row is as it would be without edits.

A sweep over layers or heads asks the same prompt many times, each time edited from some layer on. The prompt's plain
states are computed once, and each row goes on from them.
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
from trimtab.models import Model


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
    inputs = _plain_inputs(model, batch, tails, mask, plain, set(starts))
    hidden = torch.empty_like(tails.embeds)
    for start in sorted(set(starts)):
        rows = [row for row, own in enumerate(starts) if own == start]
        at = torch.tensor(rows, device=mask.device)
        states = inputs[start][owner[at]]
        if start < model.n_layers:
            session = batch.session(model, rows)
            prefix = batch.prefix.rows(at)
            session.advance(tails.index[at], prefix.index)
            with session.attached(), engine_drives(model):
                states = model.decode(states, mask[at], tails.positions[:, at], prefix.cache(), first_layer=start)
        hidden[at] = states
    return hidden


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
