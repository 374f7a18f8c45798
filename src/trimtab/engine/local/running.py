"""Run many rows, each a prompt with its edits, and read something off: the engine's one entry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import torch
from torch import Tensor
from transformers import DynamicCache

from trimtab.engine.checks import check_count, check_edits
from trimtab.engine.edits import Edit
from trimtab.engine.local.batch import Piece, collate
from trimtab.engine.local.encoding import Encoded, check_length, describe, encode
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import explained, require_finite
from trimtab.engine.local.follow import engine_drives
from trimtab.engine.local.hooks import EditSession
from trimtab.engine.local.late import first_layers, late_tails, saves
from trimtab.engine.local.memory import first_guess, halving
from trimtab.engine.local.passes import Passes, counted
from trimtab.engine.local.planning import Group, plan
from trimtab.engine.local.prefix import Prefix, prefill
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Cost, Read, Readings, StopForward, assemble, reading
from trimtab.engine.receipt import Receipt
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.progress import SILENT, Progress

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Row:
    """One question to the model: a prompt and the edits in force while it is answered."""

    prompt: Prompt | Encoded
    edits: tuple[Edit, ...] = ()


Rows = Sequence[Row | Prompt | Encoded] | Row | Prompt | Encoded
"""What is run: many rows, or one alone."""


@exclusive
@torch.no_grad()
def run(
    model: Model,
    rows: Rows,
    read: Read | None = None,
    *,
    reuse: bool = True,
    batch_size: int | None = None,
    progress: Progress = SILENT,
) -> Readings:
    """Run rows and read logits or states; what the rows share is computed once.

    Args:
        model: The model.
        rows: Prompts with their edits; one alone needs no list.
        read: What to read; left out, the next-token logits at the last prompt token.
        reuse: False runs every row alone through the model's own forward pass: the plain reference that the
            fast path is held equal to.
        batch_size: Rows of a batch; left out, as many as fit in memory.
        progress: Told of rows as they finish.

    Returns:
        The readings, in the rows' order.

    Raises:
        UsageError: A row or the request does not fit the model.
        NothingEditedError: An edit touched no position.
        NotFiniteError: What was read of a row holds NaN or infinity.
    """
    read = read or Read()
    read.check(model)
    if batch_size is not None:
        check_count(batch_size, "batch_size", "run")
    work = prepare(model, rows)
    if not reuse:
        from trimtab.engine.local.reference import run_plainly

        with explained(model, work), progress.task("read rows", len(work)) as advance:
            return run_plainly(model, work, read, advance)
    found: dict[int, dict[tuple[str, int], Tensor]] = {}
    readings = Readings()
    with explained(model, work), progress.task("read rows", len(work)) as advance:
        for batch, values in over_batches(model, work, read, batch_size, lambda b: _read_batch(model, b, read)):
            found.update(zip(batch.rows, values, strict=True))
            account(model, work, batch, readings.receipt, readings.cost)
            advance(len(batch.rows))
    readings.receipt.require_hits()
    return assemble(model, readings, [found[r] for r in range(len(work))], read)


@dataclass(eq=False)
class Work:
    """A row made ready: encoded, with the surrounding blocks' edits put before its own."""

    prompt: Encoded
    edits: tuple[Edit, ...]


def prepare(model: Model, rows: Rows, new_tokens: int = 0) -> list[Work]:
    """Check and encode rows; prompts given twice are encoded once.

    What is kept of a prompt is small, so that all rows can be planned together: its pictures are preprocessed and
    encoded when their batch is made.

    Args:
        model: The model.
        rows: The rows.
        new_tokens: Longest answer that will be asked for.

    Raises:
        UsageError: There is no row, or one does not fit the model.
        DataError: A prompt cannot be written, or is too long for the model.
    """
    rows = [rows] if isinstance(rows, Row | Prompt | Encoded) else rows
    if isinstance(rows, str) or not isinstance(rows, Iterable):
        raise UsageError(f"`rows` must be a list of Row or Prompt; got a {type(rows).__name__}; make a Prompt of it.")
    ambient = tuple(edit for scope in model.ambient for edit in scope.edits)
    encoded: dict[int, tuple[Prompt | Encoded, Encoded]] = {}
    work = []
    for number, row in enumerate(rows):
        row = row if isinstance(row, Row) else Row(row)
        prompt = row.prompt
        if not isinstance(prompt, (Prompt, Encoded)):
            raise UsageError(
                f"`rows` must hold Row or Prompt; row {number} is a {type(prompt).__name__}; make a Prompt of it."
            )
        edits = check_edits(model, row.edits, "Row")
        if id(prompt) not in encoded:
            encoded[id(prompt)] = prompt, prompt if isinstance(prompt, Encoded) else encode(model, prompt)
            check_length(model, encoded[id(prompt)][1], new_tokens)
        work.append(Work(encoded[id(prompt)][1], ambient + edits))
    if not work:
        raise UsageError("`rows` must hold at least one row; got none.")
    return work


@dataclass(eq=False)
class RowBatch:
    """Rows ready for one forward pass over their tails.

    Attributes:
        rows: Their places in the run.
        tails: What is left to compute of each.
        prefix: Their cached prefixes, a row for each, or None.
        edits: Each row's edits.
        prefilled: Tokens computed for the prefixes.
        passes: Forward passes that were made for it.
        receipts: What the edits touched, by an edit's place in its row's list of edits.
    """

    rows: list[int]
    tails: list[Piece]
    prefix: Prefix | None
    edits: list[tuple[Edit, ...]]
    prefilled: int = 0
    passes: int = 0
    receipts: defaultdict[int, Receipt] = field(default_factory=lambda: defaultdict(Receipt))

    def session(self, model: Model, rows: Sequence[int] | None = None) -> EditSession:
        """Make the edits of the batch, or of some of its rows, ready."""
        rows = range(len(self.rows)) if rows is None else rows
        prompts = [self.tails[row].prompt for row in rows]
        return EditSession(model, [self.edits[row] for row in rows], prompts, self.receipts)


def over_batches(
    model: Model,
    work: list[Work],
    read: Read | None,
    batch_size: int | None,
    compute: Callable[[RowBatch], T],
) -> Iterator[tuple[RowBatch, T]]:
    """Cut rows into batches that fit, compute their shared prefixes, and ``compute`` each batch.

    Rows of like length go together, so little is padded; rows that share a prefix stay together. One batch is
    in memory at a time.

    Args:
        model: The model.
        work: The rows.
        read: What will be read; a position read must be computed in the tail. None reads nothing early.
        batch_size: Rows of a batch; left out, as many as fit.
        compute: What to do with a batch.

    Yields:
        Each batch and what ``compute`` made of it.
    """
    groups = plan([w.prompt for w in work], [_limit(w, read) for w in work])
    groups.sort(key=lambda g: (g.shared, len(work[g.rows[0]].prompt)))
    size = batch_size or model.batch_size or rows_that_fit(model, work)
    tries = Passes()
    for has_prefix in (False, True):
        part = [(g, row) for g in groups for row in g.rows if (g.shared > 0) == has_prefix]

        def one(start: int, end: int, part: list[tuple[Group, int]] = part) -> tuple[RowBatch, T]:
            return passes_in_batch(model, tries, lambda: _make_batch(model, work, part[start:end]), compute)

        def named(place: int, part: list[tuple[Group, int]] = part) -> str:
            return describe(work[part[place][1]].prompt)

        for _start, _end, done in halving(model, size, len(part), one, named):
            yield done


def rows_that_fit(model: Model, work: Sequence[Work]) -> int:
    """Guess how many of some rows fit into memory together."""
    return first_guess(
        model,
        max(len(w.prompt) for w in work),
        scores=any(edit.site in ("scores", "attention") for w in work for edit in w.edits),
        picture=max((m.n_tokens for w in work for m in w.prompt.media), default=0),
    )


def passes_in_batch(
    model: Model, tries: Passes, make: Callable[[], RowBatch], compute: Callable[[RowBatch], T]
) -> tuple[RowBatch, T]:
    """Make and compute a batch, and give it the passes of all tries since the last one that succeeded."""
    with counted(model) as work:
        try:
            batch = make()
            done = compute(batch)
        finally:
            tries.passes += work.passes
    batch.passes, tries.passes = tries.passes, 0
    return batch, done


def _limit(work: Work, read: Read | None) -> int:
    """Return the first token index that this row must compute itself."""
    reaches = [edit.reach(work.prompt) for edit in work.edits]
    if read is not None and read.at != "last":
        reaches.append(int(read.indices(work.prompt)[0]))
    return min([len(work.prompt) - 1, *reaches])


def _make_batch(model: Model, work: list[Work], chunk: list[tuple[Group, int]]) -> RowBatch:
    rows = [row for _, row in chunk]
    tails = [Piece(work[r].prompt, g.shared, len(work[r].prompt)) for g, r in chunk]
    edits = [work[r].edits for r in rows]
    if chunk[0][0].shared == 0:
        return RowBatch(rows, tails, None, edits)
    groups = list({id(g): g for g, _ in chunk}.values())
    pieces = [Piece(work[g.rows[0]].prompt, 0, g.shared) for g in groups]
    place = {id(g): i for i, g in enumerate(groups)}
    shared = prefill(model, pieces)
    prefix = shared.rows([place[id(g)] for g, _ in chunk])
    return RowBatch(rows, tails, prefix, edits, prefilled=sum(p.end for p in pieces))


@dataclass(frozen=True, eq=False)
class Tails:
    """The end of a forward pass over a batch.

    Attributes:
        hidden: Normalised hidden states of the tails, padded on the left, ``(rows, length, hidden)``.
        mask: 1 at tokens of prefix and tail, ``(rows, prefix + length)``.
        cache: Keys and values of all of them, to decode from; None if neither shared nor asked for.
    """

    hidden: Tensor
    mask: Tensor
    cache: DynamicCache | None


def forward_tails(model: Model, batch: RowBatch, session: EditSession, keep_cache: bool) -> Tails:
    """Run the tails of a batch after their prefixes; the caller has attached the session."""
    tails = collate(model, batch.tails)
    mask, cache = tails.mask, DynamicCache() if keep_cache else None
    if batch.prefix is not None:
        cache = batch.prefix.cache()
        mask = torch.cat([batch.prefix.mask, mask], dim=1)
    session.advance(tails.index, None if batch.prefix is None else batch.prefix.index)
    with engine_drives(model):
        hidden = model.decode(tails.embeds, mask, tails.positions, cache)
    return Tails(hidden, mask, cache)


def _read_batch(model: Model, batch: RowBatch, read: Read) -> list[dict[tuple[str, int], Tensor]]:
    """Run a batch and pick each row's readings, moved to the CPU in float32."""
    starts = first_layers(model, batch.edits)
    if not read.hidden and not read.heads and saves(model, batch, starts):
        return pick(model, read, batch, {}, late_tails(model, batch, starts))
    session, hidden = batch.session(model), None
    with session.attached(), reading(model, read) as found, suppress(StopForward):
        hidden = forward_tails(model, batch, session, keep_cache=False).hidden
    return pick(model, read, batch, found, hidden)


def pick(
    model: Model,
    read: Read,
    batch: RowBatch,
    found: dict[tuple[str, int], Tensor],
    hidden: Tensor | None,
) -> list[dict[tuple[str, int], Tensor]]:
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
            values["logits", 0] = model.lm_head(hidden[row, at]).float().cpu()
        for (what, _layer), own in values.items():
            require_finite(model, own[None], [batch.rows[row]], what)
        picked.append(values)
    return picked


def account(model: Model, work: list[Work], batch: RowBatch, receipt: Receipt, cost: Cost) -> None:
    """Add a finished batch's receipts and work to the totals; surrounding blocks get their own edits' receipts."""
    surrounding = [scope.receipt for scope in model.ambient for _ in scope.edits]
    for order, part in batch.receipts.items():
        (surrounding[order] if order < len(surrounding) else receipt).add(part)
    cost.rows += len(batch.rows)
    cost.passes += batch.passes
    cost.tokens += batch.prefilled + sum(t.end - t.start for t in batch.tails)
    cost.naive_tokens += sum(len(work[r].prompt) for r in batch.rows)
