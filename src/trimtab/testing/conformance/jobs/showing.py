"""What a model is shown: facts at load, tokens, positions, features, folders, types."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from trimtab import models
from trimtab.engine import Encoded, Prompt, encode, generate, run
from trimtab.errors import UnsupportedModelError
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.testing.conformance.comparing import equal, same
from trimtab.testing.conformance.outcomes import NotApplicableError, job
from trimtab.testing.conformance.subject import INSTRUCTION, SIZES, Subject

REPEATING = "a dog sleeps. What color is it? a dog sleeps."
"""A context that holds the question."""


@job
def self_check(subject: Subject) -> None:
    """Every fact of the family's file holds, with a medium of each kind."""
    try:
        models.self_check(subject.model)
    except UnsupportedModelError as error:  # which is a refusal of the model, not of a job
        raise AssertionError(str(error)) from error


@job
def spans(subject: Subject) -> None:
    """The tokens of each part of a prompt say its text; several media have their own positions."""
    model = subject.model
    for kind in subject.kinds:
        for placement in ("before_question", "after_question"):
            media = {kind: subject.media(kind, 3)}
            prompt = Prompt("What color is it?", (), REPEATING, INSTRUCTION, placement, media=media)
            encoded = encode(model, prompt)
            said = {name: _text(model, encoded, name) for name in ("context", "instruction", "question")}
            question = f"What color is it? {prompt.request}"
            equal("text of spans", said, {"context": REPEATING, "instruction": INSTRUCTION, "question": question})
            equal("the last token", encoded.span("last").tolist(), [len(encoded) - 1])
            held = torch.cat([encoded.span(name) for name in (kind, *said, "last")])
            equal("tokens of two spans", len(held) - len(held.unique()), 0)
        _positions_of_media(subject, encode(model, Prompt("What is it?", media={kind: subject.media(kind)})), kind)


def _positions_of_media(subject: Subject, encoded: Encoded, kind: Modality) -> None:
    model, own = subject.model, encoded.spans[kind]
    equal(f"{kind} positions", own, (encoded.ids == model.placeholders[kind]).nonzero()[:, 0])
    equal(f"number of {kind} positions", len(own), sum(medium.n_tokens for medium in encoded.media))
    for medium in subject.media(kind) if kind == "image" else ():
        counted = model.family.count_positions(model.hf, model.processors["image"], *medium.size)
        alone = encode(model, Prompt("What is it?", [medium])).spans[kind]
        equal(f"positions of {medium.size} counted without reading pixels", counted, len(alone))


def _text(model: Model, encoded: Encoded, span: str) -> str:
    return model.tokenizer.decode(encoded.ids[encoded.span(span)]).strip()


@job
def mixed_sizes(subject: Subject) -> None:
    """Media of several sizes stand in one prompt, each with the positions of its own."""
    for kind in subject.kinds:
        encoded = encode(subject.model, subject.mixed_prompt(kind))
        equal(f"number of {kind} media", len(encoded.media), SIZES)
        _positions_of_media(subject, encoded, kind)


@job
def positions(subject: Subject) -> None:
    """Rotary positions are those that the model's own forward gives its decoder."""
    model = subject.model
    for prompt in subject.prompts:
        encoded, seen = encode(model, prompt), {}
        hook = model.decoder.register_forward_pre_hook(lambda _m, _a, given, s=seen: s.update(given), with_kwargs=True)
        try:
            subject.own_logits(encoded)
        finally:
            hook.remove()
        own = seen.get("position_ids")
        axes = len(encoded.positions)
        own = torch.arange(len(encoded))[None] if own is None else own.reshape(-1, len(encoded))[-axes:]
        equal("positions", encoded.positions, own.expand(axes, -1))


@job
def media_alone(subject: Subject) -> None:
    """A medium encoded beside others of other sizes has the features that it has alone."""
    family, hf = subject.model.family, subject.model.hf
    for kind in subject.kinds:
        media = encode(subject.model, Prompt("What is it?", media={kind: subject.media(kind)})).media
        together = family.embed_media(hf, media)
        equal(f"number of {kind} features", [len(own) for own in together], [m.n_tokens for m in media])
        for size, (medium, features) in enumerate(zip(media, together, strict=True)):
            same(f"{kind} of size {size} beside others", features, family.embed_media(hf, [medium])[0])


@job
def save_and_load(subject: Subject) -> None:
    """A folder that it is saved to loads as the same model: the same tokens, the same logits."""
    from transformers import CONFIG_MAPPING

    model = subject.model
    if model.hf.config.model_type not in CONFIG_MAPPING:
        raise NotApplicableError("transformers does not know the model's class by its configuration")
    with tempfile.TemporaryDirectory(prefix="trimtab-conformance-") as folder:
        save(model, Path(folder))
        try:
            again = models.load(folder, dtype=model.dtype, device=model.device)
        except UnsupportedModelError as error:
            raise AssertionError(str(error)) from error
        for prompt in subject.prompts:
            equal("tokens", encode(again, prompt).ids, encode(model, prompt).ids)
        same("logits", run(again, subject.prompts).logits, run(model, subject.prompts).logits)


def save(model: Model, folder: Path) -> Path:
    """Write a model as released ones are."""
    model.hf.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    models.save_processors(model.processors, folder)
    (folder / "chat_template.jinja").write_text(model.chat_template)
    return folder


@job
def bfloat16(subject: Subject) -> None:
    """In bfloat16 it is as far from float32 as its own forward is, with the same weights.

    Both round as many numbers, in another order, so their root mean square errors must be alike: ours may be twice its
    own, and never less than bfloat16's own step. The weights are rounded first, in float32 too.
    """
    model, prompts = subject.model, subject.prompts
    with _weights(model, lambda t: t.bfloat16().float()):
        exact = run(model, prompts, reuse=False).logits
    with _weights(model, Tensor.bfloat16):
        ours, own = run(model, prompts).logits, run(model, prompts, reuse=False).logits
        answers = generate(model, prompts, max_new_tokens=3)
    equal("answers", len(answers.tokens), len(prompts))
    scale = float(exact.square().mean().sqrt())
    error, allowed = (float((found - exact).square().mean().sqrt()) / scale for found in (ours, own))
    allowed = max(2 * allowed, torch.finfo(torch.bfloat16).eps)
    assert error <= allowed, f"bfloat16: an error of {error:.2g} of the logits; {allowed:.2g} allowed"


@contextmanager
def _weights(model: Model, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Exchange the floats that a checkpoint holds inside the block, bit for bit the same after it."""
    held = {id(t): (t, t.data) for t in model.hf.state_dict(keep_vars=True).values() if t.is_floating_point()}
    try:
        for tensor, data in held.values():
            tensor.data = change(data)
        model.forget_media()
        yield
    finally:
        for tensor, data in held.values():
            tensor.data = data
        model.forget_media()
