"""Answers for many rows, continued from the same caches under the same edits."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.engine.answers import Answers
from trimtab.engine.decoding import Decoding
from trimtab.engine.local.accounting import account
from trimtab.engine.local.batching import over_batches
from trimtab.engine.local.choosing import Chooser, luck
from trimtab.engine.local.contrasting import answer_contrasts
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import blame_edits, explained, keep_finite, require_finite
from trimtab.engine.local.kept import Kept
from trimtab.engine.local.reference import answer_plainly
from trimtab.engine.local.row_batch import RowBatch, forward_tails
from trimtab.engine.local.step import Step
from trimtab.engine.local.work import Work, apart, prepare
from trimtab.engine.rows import Rows
from trimtab.models import Model
from trimtab.progress import Advance, Progress


@exclusive
@torch.no_grad()
def generate(
    model: Model,
    rows: Rows,
    max_new_tokens: int,
    decoding: Decoding,
    reuse: bool,
    batch_size: int | None,
    progress: Progress,
    keep_broken: bool,
    first_logits: bool,
) -> Answers:
    """Answer rows, which fit the model; see ``trimtab.generate``."""
    work = prepare(model, rows, max_new_tokens)
    plain, contrasts = apart(work)
    answers, found = Answers(), {}
    kept = Kept(set() if keep_broken else None, {} if first_logits else None)
    with explained(model, work), progress.task("answer rows", len(plain) + len(contrasts)) as advance:
        if plain and reuse:
            found |= _answer(model, plain, answers, max_new_tokens, decoding, batch_size, advance, kept)
        elif plain:
            found |= answer_plainly(model, plain, answers, max_new_tokens, decoding, advance, kept.broken)
        if contrasts:
            found |= answer_contrasts(model, contrasts, answers, max_new_tokens, decoding, batch_size, advance, kept)
    answers.broken = blame_edits(model, plain, kept.broken or ())
    answers.first_logits = kept.logits
    return finish(model, answers, [[] if n in answers.broken else found[n] for n in range(len(found))])


def _answer(
    model: Model,
    work: list[Work],
    answers: Answers,
    max_new_tokens: int,
    decoding: Decoding,
    batch_size: int | None,
    advance: Advance,
    kept: Kept,
) -> dict[int, list[int]]:
    """Answer plain rows in batches; return the tokens of each by its number."""
    chances = luck([[w.prompt] for w in work], [w.edits for w in work])
    found: dict[int, list[int]] = {}

    def decode(batch: RowBatch) -> list[list[int]]:
        chooser = Chooser(decoding, [t.prompt for t in batch.tails], [chances[row] for row in batch.rows])
        return _decode(model, batch, max_new_tokens, chooser, kept)

    for batch, tokens in over_batches(model, work, None, batch_size, decode):
        found.update(zip(batch.numbers, tokens, strict=True))
        account(model, work, batch, answers.receipt, answers.cost)
        advance(len(batch.rows))
    return found


def finish(model: Model, answers: Answers, tokens: list[list[int]]) -> Answers:
    """Cut each row at its stop token and decode it."""
    for row in tokens:
        stop = next((i for i, t in enumerate(row) if t in model.stop_tokens), len(row))
        answers.tokens.append(row[:stop])
        answers.finished.append(stop < len(row))
        answers.texts.append(model.tokenizer.decode(row[:stop], skip_special_tokens=True).strip())
    return answers


def _decode(model: Model, batch: RowBatch, max_new_tokens: int, choose: Chooser, kept: Kept) -> list[list[int]]:
    """Run the tails, then one token a row at a time; rows that have stopped leave the batch.

    Rows whose edits break them stop, too, and are kept as broken, if such rows are.
    """
    stops = torch.tensor(sorted(model.stop_tokens), device=model.device)
    session = batch.session(model)
    with session.attached():
        tails = forward_tails(model, batch, session, keep_cache=True)
        step = Step(model, batch, session, tails)
        edited = {row for row, edits in zip(batch.numbers, batch.edits, strict=True) if edits}

        def chosen(logits: Tensor, rows: list[int]) -> Tensor:
            if kept.broken is None:
                require_finite(model, logits, rows)
                return choose(logits)
            bad = keep_finite(model, logits, rows, edited.__contains__)
            kept.broken.update(rows[place] for place in bad.tolist())
            return choose(logits.index_fill(0, bad, 0.0)).index_fill(0, bad, int(stops[0]))

        first = model.logits(tails.hidden[:, -1])
        kept.keep(batch.numbers, first)
        newest = chosen(first, batch.numbers)
        answers = [[token] for token in newest.tolist()]
        going = torch.arange(len(answers), device=model.device)
        for _ in range(max_new_tokens - 1):
            left = (~torch.isin(newest, stops)).nonzero().flatten()
            if not len(left):
                break
            if len(left) < len(going):
                step.narrow(left)
                choose.narrow(left)
                going, newest = going[left], newest[left]
            newest = chosen(step(newest), [batch.numbers[row] for row in going.tolist()])
            for row, token in zip(going.tolist(), newest.tolist(), strict=True):
                answers[row].append(token)
    return answers
