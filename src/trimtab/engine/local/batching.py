"""Cut rows into batches that fit in memory, each with the prefixes that its rows share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from trimtab.engine.edits import Edit
from trimtab.engine.encoded import describe
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.memory import first_guess, halving, positions_at_once
from trimtab.engine.local.passes import Passes, added
from trimtab.engine.local.planning import Group, plan
from trimtab.engine.local.row_batch import RowBatch
from trimtab.engine.local.session import Session
from trimtab.engine.local.shared_prefixes import SharedPrefixes
from trimtab.engine.local.work import Work
from trimtab.engine.read import Read
from trimtab.models import Model

T = TypeVar("T")

Place = tuple[Group, int]
"""A row, and the group that it is in."""

MOST_PADDING = 1.5
"""Tails are padded together while that makes no more than so many times the positions that they have."""
WORTH_A_PASS = 1024
"""Padded positions that are cheaper than one more pass."""


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
    memory at a time, and holds no more rows than gain from it.

    Args:
        model: The model.
        work: The rows.
        read: What will be read; a position read must be computed in the tail. None reads nothing early.
        batch_size: The most rows of a batch; left out, as many as fit.
        compute: What to do with a batch.

    Yields:
        Each batch and what ``compute`` made of it.
    """
    size = batch_size or Session.of(model).batch_size or rows_that_fit(model, work)
    tries = Passes()
    deepest = read.deepest(model) if read is not None and not read.logits else None
    prefixes = SharedPrefixes(model, [w.prompt for w in work], deepest)
    for part in parts_of(model, work, read):

        def one(start: int, end: int, part: list[Place] = part) -> tuple[RowBatch, T]:
            try:
                with added(model, tries):
                    batch = make_batch(work, part[start:end], prefixes)
                    done = compute(batch)
            except Exception:
                prefixes.forget()
                raise
            batch.passes, tries.passes = tries.passes, 0
            return batch, done

        def named(place: int, part: list[Place] = part) -> str:
            return describe(work[part[place][1]].prompt)

        for _start, _end, done in halving(model, min(size, worth_it(model, work, part)), len(part), one, named):
            yield done


def parts_of(model: Model, work: Sequence[Work], read: Read | None) -> list[list[Place]]:
    """Part rows into those that a batch may hold together, each with its group; see ``over_batches``."""
    groups = plan([w.prompt for w in work], [_limit(w, read) for w in work], equal_lengths=model.recurrent)
    groups.sort(key=lambda g: (g.shared, len(work[g.rows[0]].prompt)))
    return _like_rows(model, work, groups)


def _like_rows(model: Model, work: Sequence[Work], groups: Sequence[Group]) -> list[list[Place]]:
    alone = [(group, row) for group in groups for row in group.rows if not group.shared]
    tails: dict[int, list[Place]] = {}
    for group in groups:
        for row in group.rows if group.shared else ():
            tails.setdefault(len(work[row].prompt) - group.shared, []).append((group, row))
    swept = any(w.edits for w in work)  # elsewhere tails are of one kind
    like = _of_like_length(tails) if swept else [sorted(tails)]
    parts = [[tail] for tail in sorted(tails)] if model.recurrent else like
    together = [[place for tail in part for place in tails[tail]] for part in parts]
    if len(together) == 1:  # in the groups' order
        together = [[(group, row) for group in groups for row in group.rows if group.shared]]
    return [part for part in (alone, *together) if part]


def _of_like_length(tails: Mapping[int, Sequence[object]]) -> list[list[int]]:
    """Part the lengths of tails, where padding them all to the longest would compute much more than they are.

    Args:
        tails: By length, what is of it.
    """
    lengths = sorted(tails)
    real = sum(length * len(own) for length, own in tails.items())
    padded = max(lengths, default=0) * sum(map(len, tails.values()))
    if padded <= MOST_PADDING * real or padded - real < WORTH_A_PASS:
        return [lengths] if lengths else []
    parts: list[list[int]] = []
    for length in lengths:
        if parts and length <= MOST_PADDING * parts[-1][0]:
            parts[-1].append(length)
        else:
            parts.append([length])
    return parts


def worth_it(model: Model, work: Sequence[Work], part: Sequence[Place]) -> int:
    """Return how many rows of a part gain from being computed together, prefixes included."""
    most = positions_at_once(model)
    if most is None:
        return len(part)
    shared = sum({id(group): group.shared for group, _ in part}.values())
    own = sum(len(work[row].prompt) - group.shared for group, row in part)
    return max(1, most * len(part) // (shared + own))


def rows_that_fit(model: Model, work: Sequence[Work]) -> int:
    """Guess how many of some rows fit into memory together."""
    return first_guess(
        model,
        max(len(w.prompt) for w in work),
        scores=any(edit.site == "scores" for w in work for edit in w.edits),
        masks=max((_masked(model, edit) for w in work for edit in w.edits), default=0),
        picture=max((m.n_tokens for w in work for m in w.prompt.media), default=0),
    )


def _masked(model: Model, edit: Edit) -> int:
    """Return for how many heads an edit has a mask of its own."""
    if edit.site != "attention":
        return 0
    return 1 if getattr(edit, "heads", None) is None else model.n_heads


def _limit(work: Work, read: Read | None) -> int:
    """Return the first token index that this row must compute itself."""
    reaches = [edit.reach(work.prompt) for edit in work.edits]
    if read is not None and read.at != "last":
        reaches.append(int(read.indices(work.prompt)[0]))
    return min([len(work.prompt) - 1, *reaches])


def make_batch(work: Sequence[Work], chunk: Sequence[Place], prefixes: SharedPrefixes) -> RowBatch:
    """Make a batch of rows, of which either all have prefixes or none has."""
    rows = [row for _, row in chunk]
    tails = [Piece(work[r].prompt, g.shared, len(work[r].prompt)) for g, r in chunk]
    edits = [work[r].edits for r in rows]
    numbers = [work[r].number for r in rows]
    if chunk[0][0].shared == 0:
        return RowBatch(rows, numbers, tails, None, edits)
    prefix, computed = prefixes.of([g for g, _ in chunk])
    return RowBatch(rows, numbers, tails, prefix, edits, prefilled=computed)
