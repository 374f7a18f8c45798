"""Answers to contrasts: each branch has its own cache, and all branches are fed the token that they choose together."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.answers import Answers
from trimtab.engine.contrast import Contrast, combine
from trimtab.engine.cost import Cost
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import describe
from trimtab.engine.local.accounting import account
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.batching import passes_in_batch, rows_that_fit
from trimtab.engine.local.choosing import Chooser, luck
from trimtab.engine.local.finite import require_finite
from trimtab.engine.local.memory import halving
from trimtab.engine.local.passes import Passes
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.session import Session
from trimtab.engine.local.step import Step
from trimtab.engine.local.work import Work
from trimtab.engine.receipt import Receipt
from trimtab.models import Model
from trimtab.progress import Advance


def answer_contrasts(
    model: Model,
    parts: Sequence[Sequence[Work]],
    answers: Answers,
    max_new_tokens: int,
    decoding: Decoding,
    batch_size: int | None,
    advance: Advance,
) -> dict[int, list[int]]:
    """Answer contrasts, given as the branches of each; return the tokens of each by its number.

    Receipts and costs, which count every branch, are added to those of ``answers``.
    """
    contrasts = [part[0].contrast for part in parts if part[0].contrast]
    work = [branch for part in parts for branch in part]
    starts = [0]
    for part in parts:
        starts.append(starts[-1] + len(part))
    rows = batch_size or Session.of(model).batch_size or rows_that_fit(model, work)
    tries, receipt, cost = Passes(), Receipt(), Cost()
    found: dict[int, list[int]] = {}
    chances = luck([[w.prompt for w in part] for part in parts], [[e for w in part for e in w.edits] for part in parts])

    def decode(start: int, end: int) -> tuple[RowBatch, list[list[int]]]:
        def decode_branches(batch: RowBatch) -> list[list[int]]:
            choose = Chooser(decoding, [part[0].prompt for part in parts[start:end]], chances[start:end])
            return _decode(model, batch, contrasts[start:end], max_new_tokens, choose)

        rows = range(starts[start], starts[end])
        return passes_in_batch(model, tries, lambda: _whole_prompts(work, rows), decode_branches)

    def named(place: int) -> str:
        return f"a contrast of {describe(max((w.prompt for w in parts[place]), key=len))}"

    for start, end, (batch, tokens) in halving(model, max(1, rows // max(map(len, parts))), len(parts), decode, named):
        found.update(zip((part[0].number for part in parts[start:end]), tokens, strict=True))
        account(model, work, batch, receipt, cost)
        advance(end - start)
    answers.receipt.add(receipt)
    answers.cost.add(cost)
    return found


def _whole_prompts(work: Sequence[Work], rows: range) -> RowBatch:
    """Make a batch without shared prefixes: branches differ in their pictures or contexts."""
    tails = [Piece(work[r].prompt, 0, len(work[r].prompt)) for r in rows]
    return RowBatch(list(rows), [work[r].number for r in rows], tails, None, [work[r].edits for r in rows])


def _decode(
    model: Model, batch: RowBatch, contrasts: Sequence[Contrast], max_new_tokens: int, choose: Chooser
) -> list[list[int]]:
    """Run the branches, then one token a contrast at a time; contrasts that have stopped leave the batch."""
    stops = torch.tensor(sorted(model.stop_tokens), device=model.device)
    going = list(range(len(contrasts)))
    session = batch.session(model)
    with session.attached():
        tails = forward_tails(model, batch, session, keep_cache=True)
        step = Step(model, batch, session, tails)
        logits, rows = model.logits(tails.hidden[:, -1]), batch.numbers
        require_finite(model, logits, rows)
        newest = choose(combine(logits, contrasts))
        answers = [[token] for token in newest.tolist()]
        for _ in range(max_new_tokens - 1):
            alive = ~torch.isin(newest, stops)
            if not alive.any():
                break
            counts = torch.tensor([len(contrasts[k].rows) for k in going], device=model.device)
            if not alive.all():
                kept = torch.repeat_interleave(alive, counts).nonzero().flatten()
                step.narrow(kept)
                choose.narrow(alive.nonzero().flatten())
                rows = [rows[row] for row in kept.tolist()]
                going = [k for k, on in zip(going, alive.tolist(), strict=True) if on]
                newest, counts = newest[alive], counts[alive]
            logits = step(torch.repeat_interleave(newest, counts))
            require_finite(model, logits, rows)
            newest = choose(combine(logits, [contrasts[k] for k in going]))
            for k, token in zip(going, newest.tolist(), strict=True):
                answers[k].append(token)
    return answers
