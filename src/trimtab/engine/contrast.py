"""Contrastive decoding: several prompts answered as one, by a weighted sum of their next-token log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from trimtab.engine.checks import check_count
from trimtab.engine.decoding import GREEDY, Chooser, Decoding, check_decoding, luck
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.encoding import describe
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import explained, require_finite
from trimtab.engine.local.generating import MAX_NEW_TOKENS, Answers, Step, finish
from trimtab.engine.local.memory import halving
from trimtab.engine.local.passes import Passes
from trimtab.engine.local.running import (
    Row,
    RowBatch,
    Work,
    account,
    forward_tails,
    passes_in_batch,
    prepare,
    rows_that_fit,
    run,
)
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.progress import SILENT, Progress


@dataclass(frozen=True, eq=False)
class Contrast:
    """Rows answered as one: each next token is the best by ``sum_k weight_k log p_k``, and all rows are fed it.

    Attributes:
        rows: The branches; the first says what is plausible.
        weights: One for each branch; VCD and VDD take ``1 + alpha`` and ``-alpha``.
        plausibility: Tokens whose probability under the first branch is below this share of its best token's are
            never chosen (arXiv 2311.16922, eq. 5: beta).
    """

    rows: tuple[Row, ...]
    weights: tuple[float, ...]
    plausibility: float = 0.1

    def __post_init__(self) -> None:
        if not self.rows or len(self.rows) != len(self.weights) or not all(map(math.isfinite, self.weights)):
            raise UsageError(
                f"`weights` of Contrast must be one finite number for each of its rows; got {len(self.rows)} rows and "
                f"the weights {self.weights}."
            )
        if not 0 < self.plausibility <= 1:
            raise UsageError(
                f"`plausibility` of Contrast must be above 0 and at most 1; got {self.plausibility}; VCD uses 0.1."
            )


@exclusive
@torch.no_grad()
def generate_contrasted(
    model: Model,
    contrasts: Sequence[Contrast],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    decoding: Decoding = GREEDY,
    progress: Progress = SILENT,
) -> Answers:
    """Answer contrasts, each branch with its own cache.

    Args:
        model: The model.
        contrasts: What to answer.
        max_new_tokens: Longest answer in tokens.
        decoding: How tokens are chosen by the combined scores; a repetition penalty counts the first branch's prompt.
        progress: Told of contrasts as they finish.

    Returns:
        One answer for each contrast; costs count every branch.

    Raises:
        UsageError: There is nothing to answer, or ``max_new_tokens`` is below 1.
        NothingEditedError: An edit touched no position.
        NotFiniteError: A branch's logits hold NaN or infinity.
    """
    check_count(max_new_tokens, "max_new_tokens", "generate_contrasted")
    check_decoding(decoding, "generate_contrasted")
    work = prepare(model, [row for contrast in contrasts for row in contrast.rows], max_new_tokens)
    starts = [0]
    for contrast in contrasts:
        starts.append(starts[-1] + len(contrast.rows))
    branches = max(len(c.rows) for c in contrasts)
    rows = model.batch_size or rows_that_fit(model, work)
    answers, tokens, tries = Answers(), [], Passes()
    parts = [work[start:end] for start, end in pairwise(starts)]
    chances = luck([[w.prompt for w in part] for part in parts], [[e for w in part for e in w.edits] for part in parts])

    def decode(start: int, end: int) -> tuple[RowBatch, list[list[int]]]:
        def decode_branches(batch: RowBatch) -> list[list[int]]:
            choose = Chooser(decoding, [part[0].prompt for part in parts[start:end]], chances[start:end])
            return _decode(model, batch, contrasts[start:end], max_new_tokens, choose)

        rows = range(starts[start], starts[end])
        return passes_in_batch(model, tries, lambda: _whole_prompts(model, work, rows), decode_branches)

    def named(place: int) -> str:
        return f"a contrast of {describe(max((w.prompt for w in parts[place]), key=len))}"

    with explained(model, work), progress.task("answer contrasts", len(contrasts)) as advance:
        for start, end, (batch, found) in halving(model, max(1, rows // branches), len(contrasts), decode, named):
            tokens += found
            account(model, work, batch, answers.receipt, answers.cost)
            advance(end - start)
    answers.receipt.require_hits()
    return finish(model, answers, tokens)


def contrasted_logits(model: Model, contrasts: Sequence[Contrast]) -> Tensor:
    """Return the combined scores of the first answer token, ``(contrasts, vocabulary)``; implausible ones are -inf."""
    logits = run(model, [row for contrast in contrasts for row in contrast.rows]).logits
    return combine(logits, contrasts)


def _whole_prompts(model: Model, work: list[Work], rows: range) -> RowBatch:
    """Make a batch without shared prefixes: branches differ in their pictures or contexts."""
    tails = [Piece(work[r].prompt, 0, len(work[r].prompt)) for r in rows]
    return RowBatch(list(rows), tails, None, [work[r].edits for r in rows])


def combine(logits: Tensor, contrasts: Sequence[Contrast]) -> Tensor:
    """Add the branches' log-probabilities up, and rule implausible tokens out."""
    scores = logits.float().log_softmax(-1)
    counts = [len(c.rows) for c in contrasts]
    owner = torch.repeat_interleave(torch.tensor(counts, device=scores.device))
    weights = torch.tensor([w for c in contrasts for w in c.weights], device=scores.device)
    total = scores.new_zeros(len(contrasts), scores.shape[-1]).index_add_(0, owner, weights[:, None] * scores)
    first = scores[torch.tensor([0, *counts[:-1]], device=scores.device).cumsum(0)]
    floors = torch.tensor([math.log(c.plausibility) for c in contrasts], device=scores.device)
    return total.masked_fill(first < first.max(-1, keepdim=True).values + floors[:, None], -math.inf)


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
        logits, rows = model.lm_head(tails.hidden[:, -1]), batch.rows
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
