"""The plain reference: one full forward pass a row, by the model's own code, edits by hooks.

It shares neither caches nor batches nor positions with the fast path, which a contract suite holds equal to it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from trimtab.engine.answers import Answers
from trimtab.engine.cost import Cost
from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import describe
from trimtab.engine.local.choosing import Chooser, luck
from trimtab.engine.local.finite import require_finite
from trimtab.engine.local.follow import Follower
from trimtab.engine.local.memory import out_of_memory, too_large
from trimtab.engine.local.passes import Passes, counted
from trimtab.engine.local.reading import StopForward, reading
from trimtab.engine.local.session import Session, engine_drives
from trimtab.engine.local.work import Work
from trimtab.engine.read import Read, Readings
from trimtab.engine.receipt import Receipt
from trimtab.errors import NotFiniteError
from trimtab.models import Model, weighted_patches
from trimtab.progress import Advance


def read_plainly(
    model: Model,
    work: Sequence[Work],
    read: Read,
    readings: Readings,
    advance: Advance,
) -> list[dict[tuple[str, int], Tensor]]:
    """Run each row alone through the model's own ``forward``; receipts and costs are added to those of the readings."""
    values = []
    for row in work:
        logits = None
        inputs = model.family.native_inputs(model.hf, row.prompt.ids, row.prompt.media)
        with (
            _room_for(model, row),
            _edited(model, row, readings.receipt) as made,
            reading(model, read) as found,
            suppress(StopForward),
        ):
            logits = model.hf(**inputs, use_cache=False).logits[0]
        at = read.indices(row.prompt)
        picked = {key: states[0, at].float().cpu() for key, states in found.items()}
        if logits is not None and read.logits:
            picked["logits", 0] = logits[at].float().cpu()
        for (what, _layer), own in picked.items():
            require_finite(model, own[None], [row.number], what)
        values.append(picked)
        readings.cost.add(_full_cost(len(row.prompt), made.passes))
        advance(1)
    return values


def answer_plainly(
    model: Model,
    work: Sequence[Work],
    answers: Answers,
    max_new_tokens: int,
    decoding: Decoding,
    advance: Advance,
    broken: set[int] | None = None,
) -> dict[int, list[int]]:
    """Answer each row alone by the model's own ``generate``, which is told each token that the rule chooses.

    Rows whose edits break them are put into ``broken``, if it is there.
    """
    found: dict[int, list[int]] = {}
    chances = luck([[w.prompt] for w in work], [w.edits for w in work])
    for row, chance in zip(work, chances, strict=True):
        inputs: dict[str, Any] = model.family.native_inputs(model.hf, row.prompt.ids, row.prompt.media)
        if any(model.windows):  # the cache of its own would let go of keys that edits name
            inputs["past_key_values"] = model.family.cache(model.hf)
        rule = _ByRule(model, row.number, Chooser(decoding, [row.prompt], [chance]))
        with _room_for(model, row), _edited(model, row, answers.receipt) as made, _own_settings(model):
            try:
                output = model.hf.generate(
                    **inputs, max_new_tokens=max_new_tokens, logits_processor=LogitsProcessorList([rule])
                )
                found[row.number] = output[0, len(row.prompt) :].tolist()
            except NotFiniteError as error:
                if broken is None or not row.edits or not error.rows:
                    raise
                broken.add(row.number)
                found[row.number] = []
        answers.cost.add(_full_cost(len(row.prompt), made.passes))
        advance(1)
    return found


class _ByRule(LogitsProcessor):
    """Leaves nothing to choose but the token that a rule chooses."""

    def __init__(self, model: Model, row: int, chooser: Chooser) -> None:
        self.model, self.row, self.chooser = model, row, chooser

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        require_finite(self.model, scores, [self.row])
        chosen = self.chooser(scores)[:, None]
        return scores.new_full(scores.shape, -math.inf).scatter(1, chosen, 0.0)


@contextmanager
def _room_for(model: Model, row: Work) -> Iterator[None]:
    """Say of a row that does not fit into memory what helps.

    Raises:
        NotEnoughMemoryError: Memory ran out inside the block.
    """
    try:
        yield
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise too_large(model, describe(row.prompt), error) from error


@contextmanager
def _own_settings(model: Model) -> Iterator[None]:
    """Put the checkpoint's decoding settings aside inside the block; transformers would fill gaps from them."""
    hf = model.hf
    before = hf.generation_config
    hf.generation_config = GenerationConfig(
        do_sample=False, eos_token_id=sorted(model.stop_tokens), pad_token_id=model.tokenizer.pad_token_id
    )
    try:
        yield
    finally:
        hf.generation_config = before


@contextmanager
def _edited(model: Model, row: Work, receipt: Receipt) -> Iterator[Passes]:
    """Weight the row's pictures, and hook the surrounding blocks' edits and then its own, each with its receipt.

    Yields:
        The passes made inside the block.
    """
    ambient = Session.of(model).ambient
    own = row.edits[sum(len(scope.edits) for scope in ambient) :]
    with ExitStack() as stack:
        stack.enter_context(engine_drives(model))
        stack.enter_context(weighted_patches(model.family, model.hf, row.prompt.media))
        surrounding = [(scope.edits, scope.receipt) for scope in ambient]
        for edits, filled in [*surrounding, (own, receipt)]:
            stack.enter_context(Follower(model, edits, filled, row.prompt).attached())
        yield stack.enter_context(counted(model))


def _full_cost(tokens: int, passes: int) -> Cost:
    return Cost(rows=1, passes=passes, tokens=tokens, naive_tokens=tokens)
