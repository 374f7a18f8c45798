"""Answers to contrasts: all branches of one are fed the token that they choose together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from trimtab.engine.answers import Answers
from trimtab.engine.contrast import Contrast, combine
from trimtab.engine.cost import Cost
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import describe
from trimtab.engine.local.accounting import account
from trimtab.engine.local.batching import make_batch, parts_of, rows_that_fit, worth_it
from trimtab.engine.local.branches import Branches
from trimtab.engine.local.choosing import Chooser, luck
from trimtab.engine.local.finite import require_finite
from trimtab.engine.local.kept import Kept
from trimtab.engine.local.memory import halving
from trimtab.engine.local.passes import Passes, added
from trimtab.engine.local.row_batch import RowBatch
from trimtab.engine.local.session import Session
from trimtab.engine.local.shared_prefixes import SharedPrefixes
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
    kept: Kept,
) -> dict[int, list[int]]:
    """Answer contrasts, given as the branches of each; return the tokens of each by its number.

    Contrasts of one prompt go together, so that their branches share what they can: a prompt under VCD at three
    strengths is computed twice, not six times. Receipts and costs, which count every branch, are added to those of
    ``answers``.
    """
    parts = _of_one_prompt_together(parts)
    contrasts = [part[0].contrast for part in parts if part[0].contrast]
    chances = luck([[w.prompt for w in part] for part in parts], [[e for w in part for e in w.edits] for part in parts])
    tries, receipt, cost = Passes(), Receipt(), Cost()
    found: dict[int, list[int]] = {}

    def decode(start: int, end: int) -> tuple[list[Work], list[RowBatch], list[list[int]]]:
        own = [branch for part in parts[start:end] for branch in part]
        choose = Chooser(decoding, [part[0].prompt for part in parts[start:end]], chances[start:end])
        with added(model, tries):
            prefixes = SharedPrefixes(model, [w.prompt for w in own], None)
            batches = [make_batch(own, chunk, prefixes) for chunk in parts_of(model, own, None)]
            numbers = [part[0].number for part in parts[start:end]]
            tokens = _decode(model, batches, contrasts[start:end], max_new_tokens, choose, partial(kept.keep, numbers))
        batches[0].passes, tries.passes = tries.passes, 0
        return own, batches, tokens

    def named(place: int) -> str:
        return f"a contrast of {describe(max((w.prompt for w in parts[place]), key=len))}"

    size = _contrasts_at_once(model, parts, batch_size)
    for start, end, (own, batches, tokens) in halving(model, size, len(parts), decode, named):
        found.update(zip((part[0].number for part in parts[start:end]), tokens, strict=True))
        for batch in batches:
            account(model, own, batch, receipt, cost)
        advance(end - start)
    answers.receipt.add(receipt)
    answers.cost.add(cost)
    return found


def _of_one_prompt_together(parts: Sequence[Sequence[Work]]) -> list[Sequence[Work]]:
    """Put contrasts whose first branches have the same prompt next to each other."""
    found: dict[int, list[Sequence[Work]]] = {}
    for part in parts:
        found.setdefault(id(part[0].prompt), []).append(part)
    return [part for own in found.values() for part in own]


def _contrasts_at_once(model: Model, parts: Sequence[Sequence[Work]], batch_size: int | None) -> int:
    work = [branch for part in parts for branch in part]
    rows = batch_size or Session.of(model).batch_size or rows_that_fit(model, work)
    worth = worth_it(model, work, [place for chunk in parts_of(model, work, None) for place in chunk])
    return max(1, min(rows, worth) // max(map(len, parts)))


def _decode(
    model: Model,
    batches: Sequence[RowBatch],
    contrasts: Sequence[Contrast],
    max_new_tokens: int,
    choose: Chooser,
    keep: Callable[[Tensor], None],
) -> list[list[int]]:
    """Run the branches, then one token a contrast at a time; contrasts that have stopped leave the batch.

    ``keep`` is told the combined scores of the first tokens.
    """
    stops = torch.tensor(sorted(model.stop_tokens), device=model.device)
    going = list(range(len(contrasts)))
    counts = torch.tensor([len(c.rows) for c in contrasts], device=model.device)
    numbers = dict(pair for batch in batches for pair in zip(batch.rows, batch.numbers, strict=True))
    rows = [numbers[row] for row in range(len(numbers))]
    branches = Branches(model, batches)
    with branches.attached():
        logits = branches.begin()
        require_finite(model, logits, rows)
        first = combine(logits, contrasts)
        keep(first)
        newest = choose(first)
        answers = [[token] for token in newest.tolist()]
        for _ in range(max_new_tokens - 1):
            alive = ~torch.isin(newest, stops)
            if not alive.any():
                break
            if not alive.all():
                kept = torch.repeat_interleave(alive, counts)
                branches.narrow(kept)
                choose.narrow(alive.nonzero().flatten())
                rows = [row for row, on in zip(rows, kept.tolist(), strict=True) if on]
                going = [k for k, on in zip(going, alive.tolist(), strict=True) if on]
                newest, counts = newest[alive], counts[alive]
            logits = branches.advance(torch.repeat_interleave(newest, counts))
            require_finite(model, logits, rows)
            newest = choose(combine(logits, [contrasts[k] for k in going]))
            for k, token in zip(going, newest.tolist(), strict=True):
                answers[k].append(token)
    return answers
