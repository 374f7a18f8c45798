"""Answers for many rows, continued from the same caches under the same edits."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from trimtab.engine.checks import check_count
from trimtab.engine.decoding import GREEDY, Chooser, Decoding, check_decoding, luck
from trimtab.engine.local.exclusive import exclusive
from trimtab.engine.local.finite import blame_edits, explained, keep_finite, require_finite
from trimtab.engine.local.follow import engine_drives
from trimtab.engine.local.hooks import EditSession
from trimtab.engine.local.running import RowBatch, Rows, Tails, account, forward_tails, over_batches, prepare
from trimtab.engine.read import Cost
from trimtab.engine.receipt import Receipt
from trimtab.models import Model
from trimtab.progress import SILENT, Progress

MAX_NEW_TOKENS = 16


@dataclass
class Answers:
    """Answers, one for each row.

    Attributes:
        texts: Decoded answers without special tokens.
        tokens: Generated ids, the stop token left out.
        finished: Whether the model stopped by itself.
        receipt: What the edits touched.
        cost: Work done.
        broken: The reason for each row, by its number from 0, whose edits left no finite numbers to choose a token by;
            its text is empty. Such rows are errors if ``generate`` was not told to ``keep_broken``.
    """

    texts: list[str] = field(default_factory=list)
    tokens: list[list[int]] = field(default_factory=list)
    finished: list[bool] = field(default_factory=list)
    receipt: Receipt = field(default_factory=Receipt)
    cost: Cost = field(default_factory=Cost)
    broken: dict[int, str] = field(default_factory=dict)


@exclusive
@torch.no_grad()
def generate(
    model: Model,
    rows: Rows,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    decoding: Decoding = GREEDY,
    reuse: bool = True,
    batch_size: int | None = None,
    progress: Progress = SILENT,
    keep_broken: bool = False,
) -> Answers:
    """Answer every row, greedily if not told otherwise.

    Args:
        model: The model.
        rows: Prompts with their edits, or one alone; edits go on acting on generated tokens by their own rule.
        max_new_tokens: Longest answer in tokens.
        decoding: How tokens are chosen; the checkpoint's own settings never count. Equal rows get different samples.
        reuse: False answers every row alone through the model's own ``generate``.
        batch_size: Rows of a batch; left out, as many as fit in memory.
        progress: Told of rows as they finish.
        keep_broken: Go on where edits are so strong that a row's logits hold NaN or infinity: its answer is empty, and
            ``broken`` says why.

    Returns:
        The answers, in the rows' order.

    Raises:
        UsageError: A row does not fit the model, or ``max_new_tokens`` is below 1.
        NothingEditedError: An edit touched no position.
        NotFiniteError: A row's logits hold NaN or infinity, and are not kept as broken.
    """
    check_count(max_new_tokens, "max_new_tokens", "generate")
    if batch_size is not None:
        check_count(batch_size, "batch_size", "generate")
    check_decoding(decoding, "generate")
    work = prepare(model, rows, max_new_tokens)
    chances = luck([[w.prompt] for w in work], [w.edits for w in work])
    broken: set[int] | None = set() if keep_broken else None
    if not reuse:
        from trimtab.engine.local.reference import generate_plainly

        with explained(model, work), progress.task("answer rows", len(work)) as advance:
            return generate_plainly(model, work, max_new_tokens, decoding, chances, advance, broken)
    answers, found = Answers(), {}

    def decode(batch: RowBatch) -> list[list[int]]:
        chooser = Chooser(decoding, [t.prompt for t in batch.tails], [chances[row] for row in batch.rows])
        return _decode(model, batch, max_new_tokens, chooser, broken)

    with explained(model, work), progress.task("answer rows", len(work)) as advance:
        for batch, tokens in over_batches(model, work, None, batch_size, decode):
            found.update(zip(batch.rows, tokens, strict=True))
            account(model, work, batch, answers.receipt, answers.cost)
            advance(len(batch.rows))
    answers.receipt.require_hits()
    answers.broken = blame_edits(model, work, broken or ())
    return finish(model, answers, [[] if r in answers.broken else found[r] for r in range(len(work))])


def finish(model: Model, answers: Answers, tokens: list[list[int]]) -> Answers:
    """Cut each row at its stop token and decode it."""
    for row in tokens:
        stop = next((i for i, t in enumerate(row) if t in model.stop_tokens), len(row))
        answers.tokens.append(row[:stop])
        answers.finished.append(stop < len(row))
        answers.texts.append(model.tokenizer.decode(row[:stop], skip_special_tokens=True).strip())
    return answers


def _decode(
    model: Model, batch: RowBatch, max_new_tokens: int, choose: Chooser, broken: set[int] | None
) -> list[list[int]]:
    """Run the tails, then one token a row at a time; rows that have stopped leave the batch.

    Rows whose edits break them stop, too, and are put into ``broken``, if it is there.
    """
    stops = torch.tensor(sorted(model.stop_tokens), device=model.device)
    session = batch.session(model)
    with session.attached():
        tails = forward_tails(model, batch, session, keep_cache=True)
        step = Step(model, batch, session, tails)
        edited = {row for row, edits in zip(batch.rows, batch.edits, strict=True) if edits}

        def chosen(logits: Tensor, rows: list[int]) -> Tensor:
            if broken is None:
                require_finite(model, logits, rows)
                return choose(logits)
            bad = keep_finite(model, logits, rows, edited.__contains__)
            broken.update(rows[place] for place in bad.tolist())
            return choose(logits.index_fill(0, bad, 0.0)).index_fill(0, bad, int(stops[0]))

        newest = chosen(model.lm_head(tails.hidden[:, -1]), batch.rows)
        answers = [[token] for token in newest.tolist()]
        going = torch.arange(len(answers), device=model.device)
        for _ in range(max_new_tokens - 1):
            kept = (~torch.isin(newest, stops)).nonzero().flatten()
            if not len(kept):
                break
            if len(kept) < len(going):
                step.narrow(kept)
                choose.narrow(kept)
                going, newest = going[kept], newest[kept]
            newest = chosen(step(newest), [batch.rows[row] for row in going.tolist()])
            for row, token in zip(going.tolist(), newest.tolist(), strict=True):
                answers[row].append(token)
    return answers


class Step:
    """One decoding step of a batch: feeds the newest token of each row, returns the logits of the next."""

    def __init__(self, model: Model, batch: RowBatch, session: EditSession, tails: Tails) -> None:
        assert tails.cache is not None
        self.model = model
        self.session = session
        self.cache = tails.cache
        self.mask = tails.mask
        self.position = torch.stack([t.prompt.positions.max() for t in batch.tails])
        self.axes = len(batch.tails[0].prompt.positions)
        self.index = session.place.lengths - 1

    def narrow(self, kept: Tensor) -> None:
        """Go on with some of the rows only."""
        self.cache.batch_select_indices(kept)
        self.mask, self.position, self.index = self.mask[kept], self.position[kept], self.index[kept]
        self.session.narrow(kept)

    def __call__(self, token: Tensor) -> Tensor:
        """Feed each row's newest token, ``(rows,)``; return the logits of the next, ``(rows, vocabulary)``."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(token), 1)], dim=1)
        self.position, self.index = self.position + 1, self.index + 1
        self.session.advance(self.index[:, None])
        positions = self.position[None, :, None].expand(self.axes, -1, -1)
        with engine_drives(self.model):
            embeds = self.model.embedding(token)[:, None]
            hidden = self.model.decode(embeds, self.mask, positions, self.cache)
        return self.model.lm_head(hidden[:, -1])
