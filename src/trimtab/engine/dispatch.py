"""What everything above the engine calls: each function finds the engine that serves a model, and asks it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from torch import Tensor

from trimtab.engine.answers import MAX_NEW_TOKENS, Answers
from trimtab.engine.arguments import arguments_named
from trimtab.engine.capability import Capability
from trimtab.engine.checks import check_count, check_edits
from trimtab.engine.contract import Engine
from trimtab.engine.contrast import Contrast
from trimtab.engine.decoding import GREEDY, Decoding, check_decoding
from trimtab.engine.edits import Edit
from trimtab.engine.encoded import Encoded
from trimtab.engine.local import applying, native
from trimtab.engine.local.engine import LocalEngine
from trimtab.engine.local.serving import ModelOrEngine, engine_of, opened
from trimtab.engine.local.session import Session
from trimtab.engine.needed import needs, refuse_missing
from trimtab.engine.prompt import Prompt
from trimtab.engine.read import Read, Readings, likeliest
from trimtab.engine.receipt import Receipt
from trimtab.engine.rows import Rows, as_questions, rows_of
from trimtab.errors import UsageError
from trimtab.progress import SILENT, Progress


@arguments_named
def run(
    model: ModelOrEngine,
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
        rows: Prompts with their edits, and contrasts of several; one alone needs no list.
        read: What to read; left out, the next-token logits at the last prompt token. Of a contrast there is nothing
            else: its logits are its combined scores, minus infinity where a token is implausible.
        reuse: False runs every row alone through the model's own forward pass: the plain reference that the
            fast path is held equal to.
        batch_size: The most rows of a batch; left out, as many as fit in memory.
        progress: Told of rows as they finish.

    Returns:
        The readings, in the rows' order.

    Raises:
        UsageError: A row or the request does not fit the model.
        UnsupportedEngineError: The model's engine lacks what a row or the request needs.
        NothingEditedError: An edit touched no position.
        NotFiniteError: What was read of a row holds NaN or infinity.
    """
    engine, read = engine_of(model, "run"), read or Read()
    read.check(engine)
    if batch_size is not None:
        check_count(batch_size, "batch_size", "run")
    questions = _checked(engine, rows, read, "run")
    if read != Read() and any(isinstance(question, Contrast) for question in questions):
        raise UsageError("`read` must be left out where `rows` holds a Contrast, which has next-token scores alone.")
    from_logits = read.top and Capability.LOGITS in engine.capabilities
    asked = replace(read, logits=True, top=0) if from_logits else read
    found = engine.run(questions, asked, reuse=reuse, batch_size=batch_size, progress=progress)
    if from_logits:
        found.top = likeliest(found.logits, read.top)
        found.logits = found.logits if read.logits else None
    return found


@arguments_named
def generate(
    model: ModelOrEngine,
    rows: Rows,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    decoding: Decoding = GREEDY,
    reuse: bool = True,
    batch_size: int | None = None,
    progress: Progress = SILENT,
    keep_broken: bool = False,
    first_logits: bool = False,
) -> Answers:
    """Answer every row, greedily if not told otherwise.

    Args:
        model: The model.
        rows: Prompts with their edits, and contrasts of several, or one alone; edits go on acting on generated tokens
            by their own rule.
        max_new_tokens: Longest answer in tokens.
        decoding: How tokens are chosen; the checkpoint's own settings never count. Equal rows get different samples.
            Those of a contrast are chosen by its combined scores; a penalty counts the prompt of its first branch.
        reuse: False answers every row alone through the model's own ``generate``, which knows no contrasts.
        batch_size: The most rows of a batch; left out, as many as fit in memory.
        progress: Told of rows as they finish.
        keep_broken: Go on where edits are so strong that a plain row's logits hold NaN or infinity: its answer is
            empty, and ``broken`` says why.
        first_logits: Keep the logits of first tokens, so that no second pass is needed where a caller wants both; they
            take 4 bytes for each row and token of the vocabulary.

    Returns:
        The answers, in the rows' order.

    Raises:
        UsageError: A row does not fit the model, or ``max_new_tokens`` is below 1.
        UnsupportedEngineError: The model's engine lacks what a row needs.
        NothingEditedError: An edit touched no position.
        NotFiniteError: A row's logits hold NaN or infinity, and are not kept as broken.
    """
    engine = engine_of(model, "generate")
    check_count(max_new_tokens, "max_new_tokens", "generate")
    if batch_size is not None:
        check_count(batch_size, "batch_size", "generate")
    check_decoding(decoding, "generate")
    questions = _checked(engine, rows, Read() if first_logits else None, "generate")
    if not reuse and any(isinstance(question, Contrast) for question in questions):
        raise UsageError("`reuse` of generate must be True where `rows` holds a Contrast; generate its rows apart.")
    if not reuse and first_logits:
        raise UsageError("`reuse` of generate must be True where `first_logits` are kept; read them with trimtab.run.")
    return engine.generate(
        questions,
        max_new_tokens=max_new_tokens,
        decoding=decoding,
        reuse=reuse,
        batch_size=batch_size,
        progress=progress,
        keep_broken=keep_broken,
        first_logits=first_logits,
    )


def _checked(engine: Engine, rows: Rows, read: Read | None, owner: str) -> list[Any]:
    """Return what is asked, once it is known to fit the engine."""
    questions = as_questions(rows)
    for question in questions:
        for row in rows_of(question):
            check_edits(engine, row.edits, "Row")
    has = set(engine.capabilities)
    if Capability.LOGITS in has:
        has.add(Capability.TOP_LOGPROBS)  # they are among them
    refuse_missing(engine.name, has, needs(questions, read), owner)
    return questions


def admit(model: ModelOrEngine, prompts: Sequence[Prompt | Encoded], *, new_tokens: int = 0) -> dict[int, str]:
    """Say which prompts the model cannot take, before any work, so that a bad one costs itself alone and not the run.

    Such are a picture that the image processor refuses or whose features are not finite, a text that the tokenizer
    cannot read, and a prompt that does not fit the model's positions.

    Args:
        model: The model.
        prompts: The prompts.
        new_tokens: Longest answer to each, which needs positions of its own.

    Returns:
        The reason for each refused prompt, by its place; empty if the model takes them all.
    """
    return dict(engine_of(model, "admit").admit(prompts, new_tokens=new_tokens))


def encode(model: ModelOrEngine, prompt: Prompt) -> Encoded:
    """Return a prompt as the model takes it: tokens, with every named part's places exact.

    Args:
        model: The model.
        prompt: The prompt.

    Raises:
        DataError: The text cannot be written by the model's tokenizer.
        PromptTooLongError: The prompt has more tokens than the model has positions.
        UnsupportedModelError: The chat template or the tokenizer does not suit.
    """
    return engine_of(model, "encode").encode(prompt)


def inputs(model: ModelOrEngine, prompts: Prompt | Encoded | Sequence[Prompt | Encoded]) -> dict[str, Tensor]:
    """Return keyword tensors for ``model.hf(...)`` and ``model.hf.generate(...)``.

        given = tt.inputs(model, prompt)
        with tt.applied(model, edits):
            output = model.hf.generate(**given, max_new_tokens=32, do_sample=True, temperature=0.7)
        texts = model.tokenizer.batch_decode(output[:, given["input_ids"].shape[1] :], skip_special_tokens=True)

    Args:
        model: The model.
        prompts: One prompt, or several, which are padded on the left.

    Returns:
        ``input_ids`` and ``attention_mask``, ``(prompts, length)``, and what the family's pictures need.

    Raises:
        UsageError: There is no prompt, or one asks for a counterfactual picture.
        UnsupportedEngineError: The model is not in this process.
    """
    return native.inputs(opened(model, Capability.WEIGHTS, owner="inputs"), prompts)


@contextmanager
def applied(model: ModelOrEngine, edits: Sequence[Edit]) -> Iterator[Receipt]:
    """Apply edits to every forward pass inside the block.

    ``trimtab.run`` and ``trimtab.generate`` honour the edits, and so do ``model.hf(...)`` and
    ``model.hf.generate(...)``, with chunked prompts, drafts, beams, static and continued caches too. Blocks nest: an
    inner block's edits come after the outer ones'. Other threads wait until the block ends; see docs/decoding.md.

    Args:
        model: The model.
        edits: The edits, applied to every row.

    Yields:
        The receipt, filled while the block runs. A token that is computed twice is counted once.

    Raises:
        UsageError: An edit does not fit the model, or the model is called in a way that cannot be followed.
        UnsupportedEngineError: The model is not in this process.
        NothingEditedError: The block ended without an error, yet an edit touched no position.
    """
    own = opened(model, Capability.WEIGHTS, owner="applied")
    check_edits(own, edits, "applied")
    with applying.applied(own, edits) as receipt:
        yield receipt


def forget_media(model: ModelOrEngine) -> None:
    """Drop what a model in this process remembers of pictures, sounds and clips; other engines look after their own.

    So what is computed next does not depend on what came before.
    """
    engine = engine_of(model, "forget_media")
    if isinstance(engine, LocalEngine):
        engine.model.forget_media()


@contextmanager
def batches_of(model: ModelOrEngine, size: int | None) -> Iterator[None]:
    """Run a model in this process in batches of at most a size inside the block; other engines make their own batches.

    Args:
        model: The model.
        size: The most rows of a batch; None for as many as fit in memory.

    Raises:
        UsageError: The size is below 1.
    """
    if size is not None:
        check_count(size, "size", "batches_of")
    engine = engine_of(model, "batches_of")
    if not isinstance(engine, LocalEngine):
        yield
        return
    with Session.of(engine.model).in_batches_of(size):
        yield
