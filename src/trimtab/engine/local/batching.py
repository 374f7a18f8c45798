"""Cut rows into batches that fit in memory, each with the prefixes that its rows share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from trimtab.engine.encoded import describe
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.memory import first_guess, halving
from trimtab.engine.local.passes import Passes, counted
from trimtab.engine.local.planning import Group, plan
from trimtab.engine.local.prefix import prefill
from trimtab.engine.local.row_batch import RowBatch
from trimtab.engine.local.session import Session
from trimtab.engine.local.work import Work
from trimtab.engine.read import Read
from trimtab.models import Model

T = TypeVar("T")


def over_batches(
    model: Model,
    work: Sequence[Work],
    read: Read | None,
    batch_size: int | None,
    compute: Callable[[RowBatch], T],
) -> Iterator[tuple[RowBatch, T]]:
    """Cut rows into batches that fit, compute their shared prefixes, and ``compute`` each batch.

    Rows of like length go together, so little is padded; rows that share a prefix stay together. Where layers carry a
    state, tails of a batch are of one length: padding between prefix and tail would leak into it. One batch is in
    memory at a time.

    Args:
        model: The model.
        work: The rows.
        read: What will be read; a position read must be computed in the tail. None reads nothing early.
        batch_size: Rows of a batch; left out, as many as fit.
        compute: What to do with a batch.

    Yields:
        Each batch and what ``compute`` made of it.
    """
    groups = plan([w.prompt for w in work], [_limit(w, read) for w in work], equal_lengths=model.recurrent)
    groups.sort(key=lambda g: (g.shared, len(work[g.rows[0]].prompt)))
    size = batch_size or Session.of(model).batch_size or rows_that_fit(model, work)
    tries = Passes()
    kinds: dict[tuple[bool, int], list[tuple[Group, int]]] = {}
    for group in groups:
        for row in group.rows:
            tail = len(work[row].prompt) - group.shared if group.shared and model.recurrent else 0
            kinds.setdefault((group.shared > 0, tail), []).append((group, row))
    for _kind, part in sorted(kinds.items(), key=lambda kind: kind[0]):

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


def _make_batch(model: Model, work: Sequence[Work], chunk: list[tuple[Group, int]]) -> RowBatch:
    rows = [row for _, row in chunk]
    tails = [Piece(work[r].prompt, g.shared, len(work[r].prompt)) for g, r in chunk]
    edits = [work[r].edits for r in rows]
    numbers = [work[r].number for r in rows]
    if chunk[0][0].shared == 0:
        return RowBatch(rows, numbers, tails, None, edits)
    groups = list({id(g): g for g, _ in chunk}.values())
    pieces = [Piece(work[g.rows[0]].prompt, 0, g.shared) for g in groups]
    place = {id(g): i for i, g in enumerate(groups)}
    shared = prefill(model, pieces)
    prefix = shared.rows([place[id(g)] for g, _ in chunk])
    return RowBatch(rows, numbers, tails, prefix, edits, prefilled=sum(p.end for p in pieces))
