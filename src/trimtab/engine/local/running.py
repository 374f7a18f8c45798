"""Run many rows, each a prompt with its edits, and read something off."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import torch
from torch import Tensor

from trimtab.engine.contrast import combine
from trimtab.engine.local.accounting import account
from trimtab.engine.local.batching import over_batches
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import explained, require_finite
from trimtab.engine.local.late import first_layers, late_tails, saves
from trimtab.engine.local.reading import StopForward, assemble, reading
from trimtab.engine.local.reference import read_plainly
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.work import Work, apart, prepare
from trimtab.engine.read import Read, Readings
from trimtab.engine.rows import Rows
from trimtab.models import Model
from trimtab.progress import SILENT, Advance, Progress

Values = dict[tuple[str, int], Tensor]
"""What was read of a row, by kind and layer."""


@exclusive
@torch.no_grad()
def run(
    model: Model, rows: Rows, read: Read, reuse: bool = True, batch_size: int | None = None, progress: Progress = SILENT
) -> Readings:
    """Run rows, which fit the model, and read something off; see ``trimtab.run``."""
    model.require_attending(read.heads, "Read")
    work = prepare(model, rows)
    plain, contrasts = apart(work)
    readings = Readings()
    found: dict[int, Values] = {}

    with explained(model, work), progress.task("read rows", len(work)) as advance:

        def values_of(part: Sequence[Work]) -> list[Values]:
            if not reuse:
                return read_plainly(model, part, read, readings, advance)
            return _read(model, part, read, readings, batch_size, advance)

        # Apart, so that what a prompt is batched with does not depend on the contrasts beside it.
        if plain:
            found.update(zip((w.number for w in plain), values_of(plain), strict=True))
        if contrasts:
            found.update(_combined(contrasts, values_of([branch for part in contrasts for branch in part])))
    return assemble(model, readings, [found[number] for number in range(len(found))], read)


def _read(
    model: Model,
    work: Sequence[Work],
    read: Read,
    readings: Readings,
    batch_size: int | None,
    advance: Advance,
) -> list[Values]:
    """Read rows in batches; receipts and costs are added to those of the readings."""
    found: dict[int, Values] = {}
    for batch, values in over_batches(model, work, read, batch_size, lambda b: _read_batch(model, b, read)):
        found.update(zip(batch.rows, values, strict=True))
        account(model, work, batch, readings.receipt, readings.cost)
        advance(len(batch.rows))
    return [found[row] for row in range(len(work))]


def _combined(parts: Sequence[Sequence[Work]], values: Sequence[Values]) -> dict[int, Values]:
    """Return the combined scores of contrasts by their numbers, from what was read of all branches."""
    logits = torch.stack([own["logits", 0][0] for own in values])
    scores = combine(logits, [part[0].contrast for part in parts if part[0].contrast])
    return {part[0].number: {("logits", 0): own[None]} for part, own in zip(parts, scores, strict=True)}


def _read_batch(model: Model, batch: RowBatch, read: Read) -> list[Values]:
    """Run a batch and pick each row's readings, moved to the CPU in float32."""
    starts = first_layers(model, batch.edits)
    if not read.hidden and not read.heads and saves(model, batch, starts):
        hidden = late_tails(model, batch, starts)
        return _last_logits(model, batch, hidden) if read.at == "last" else pick(model, read, batch, {}, hidden)
    session, hidden = batch.session(model), None
    with session.attached(), reading(model, read) as found, suppress(StopForward):
        hidden = forward_tails(model, batch, session, keep_cache=False).hidden
    return pick(model, read, batch, found, hidden)


def _last_logits(model: Model, batch: RowBatch, hidden: Tensor) -> list[Values]:
    """Return what is read at the last position of rows that begin late, of which there are many."""
    logits = model.logits(hidden[:, -1]).float()
    require_finite(model, logits, batch.numbers)
    return [{("logits", 0): own[None]} for own in logits.cpu()]


def pick(
    model: Model,
    read: Read,
    batch: RowBatch,
    found: Values,
    hidden: Tensor | None,
) -> list[Values]:
    """Pick the positions asked for out of left-padded states, row by row.

    Raises:
        NotFiniteError: A row's numbers are not finite.
    """
    length = max(t.end - t.start for t in batch.tails)
    picked = []
    for row, tail in enumerate(batch.tails):
        at = read.indices(tail.prompt) - tail.end + length
        values = {key: states[row, at].float().cpu() for key, states in found.items()}
        if hidden is not None and read.logits:
            values["logits", 0] = model.logits(hidden[row, at]).float().cpu()
        for (what, _layer), own in values.items():
            require_finite(model, own[None], [batch.numbers[row]], what)
        picked.append(values)
    return picked
