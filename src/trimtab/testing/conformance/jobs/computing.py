"""How prompts are computed: as the model itself does, in batches, from caches, by either attention."""

from __future__ import annotations

from typing import Any

import torch

from trimtab.engine import (
    AddVector,
    Answers,
    BlockAttention,
    Predictor,
    Prompt,
    Read,
    Row,
    ScaleHeads,
    encode,
    generate,
    inputs,
    run,
)
from trimtab.engine.local.whitebox import attention
from trimtab.testing.conformance.comparing import all_same, equal, same
from trimtab.testing.conformance.outcomes import NotApplicableError, job
from trimtab.testing.conformance.subject import Subject

NEW = 5
"""Tokens of an answer."""


def edited_rows(subject: Subject) -> list[Row]:
    """Prompts of many shapes, plain and under edits of every reach: at the end, in the context, at the media."""
    model, first, last = subject.model, subject.attending[0], subject.attending[-1]
    rows = [Row(prompt) for prompt in subject.prompts]
    shared = predictor(subject)
    for number, prompt in enumerate(subject.prompts):
        rows.append(Row(prompt, (AddVector(number % model.n_layers, subject.vector(number), 1.5),)))
        rows.append(Row(prompt, (AddVector(1, subject.vector(), 1.0, "all"), AddVector(last, shared, 0.5))))
    source = (subject.kinds[0],)
    for prompt in subject.prompts[:2]:
        rows.append(Row(prompt, (ScaleHeads(first, subject.heads, factor=0.0),)))
        rows.append(
            Row(prompt, (BlockAttention(source, ("question",), (first, last)), AddVector(1, shared, 1.0, "all")))
        )
        rows.append(Row(prompt, (BlockAttention(source, ("context", "last"), (last,), heads=(0,)),)))
    return rows


def predictor(subject: Subject) -> Predictor:
    """Return a small random network that predicts vectors."""
    generator, size, width = torch.Generator().manual_seed(1), subject.model.hidden_size, 8
    shapes: dict[str, tuple[int, ...]] = {"w_in": (width, size), "b_in": (width,), "w_out": (size, width)}
    return Predictor(**{n: torch.randn(s, generator=generator) / 3 for n, s in (shapes | {"b_out": (size,)}).items()})


@job
def own_forward(subject: Subject) -> None:
    """Logits at all tokens of prompts in one batch are those of the model's own forward."""
    own = [subject.own_logits(prompt) for prompt in subject.prompts]
    all_same("logits at all tokens", run(subject.model, subject.prompts, Read(at="all")).logits, own)
    all_same("logits at the last token", run(subject.model, subject.prompts).logits, [logits[-1] for logits in own])


@job
def own_batch(subject: Subject) -> None:
    """Prompts of mixed sizes, padded to one batch of the model's own forward, give each prompt's own logits."""
    kind = subject.kinds[0]
    shown = subject.media(kind)
    prompts = [Prompt("What is it?", media={kind: media}) for media in (shown[:1], shown[1:4], shown[4:])]
    with torch.no_grad():
        together = subject.model.hf(**inputs(subject.model, prompts)).logits[:, -1].float()
    same("logits", together, torch.stack([subject.own_logits(prompt)[-1] for prompt in prompts]))


@job
def own_generate(subject: Subject) -> None:
    """Answers of prompts in one batch are those of the model's own generate."""
    model = subject.model
    answers = generate(model, subject.prompts, max_new_tokens=NEW).tokens
    for prompt, answer in zip(subject.prompts, answers, strict=True):
        encoded = encode(model, prompt)
        given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
        native = model.hf.generate(**given, max_new_tokens=NEW, do_sample=False)
        equal("answer", answer, native[0, len(encoded) :].tolist()[: len(answer)])


@job
def plain_reference(subject: Subject) -> None:
    """Under edits, the fast path gives the states, answers and receipts of hooks on the model's own calls."""
    model, rows = subject.model, edited_rows(subject)
    read = Read(hidden=subject.layers, heads=subject.attending)
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    same("logits", fast.logits, plain.logits)
    for layer in subject.layers:
        same(f"states of layer {layer}", fast.hidden[layer], plain.hidden[layer])
    for layer in subject.attending:
        same(f"heads of layer {layer}", fast.heads[layer], plain.heads[layer])
    asked = rows[len(subject.prompts) :: 2] + rows[-2:]
    ours, own = (generate(model, asked, max_new_tokens=3, reuse=reuse) for reuse in (True, False))
    equal("answers", ours.tokens, own.tokens)
    for entry, other in zip(_entries(ours), _entries(own), strict=True):
        change, expected = entry.pop("relative_change"), other.pop("relative_change")
        equal("receipt", entry, other)
        assert abs(change - expected) <= 1e-3 * max(abs(expected), 1e-3), f"a change of {change}; expected {expected}"


def _entries(found: Answers) -> list[dict[str, Any]]:
    return sorted(found.receipt.table(), key=lambda entry: (entry["edit"], entry["layer"]))


@job
def batches(subject: Subject) -> None:
    """A row alone is the row in a padded batch, whatever its size; answers too."""
    model, rows = subject.model, edited_rows(subject)
    together = run(model, rows).logits
    same("rows alone", torch.cat([run(model, [row]).logits for row in rows]), together)
    same("batches of 3", run(model, rows, batch_size=3).logits, together)
    asked = rows[: len(subject.prompts) + 2]
    answers = generate(model, asked, max_new_tokens=NEW).tokens
    equal("answers alone", [generate(model, [row], max_new_tokens=NEW).tokens[0] for row in asked], answers)


@job
def shared_prefix(subject: Subject) -> None:
    """Prompts that share a prefix are computed from its cache, as if each were computed whole."""
    model = subject.model
    if model.mask_rule == "prompt":
        raise NotApplicableError("all tokens of a prompt see each other, so each prompt is computed whole")
    for kind in subject.kinds:
        media = {kind: subject.media(kind, 2)}
        asked = [Prompt(q, (), "A dog sleeps.", media=media) for q in ("What is it?", "Who is happy?", "How many?")]
        found = run(model, asked)
        all_same(f"logits behind a shared {kind}", found.logits, [subject.own_logits(prompt)[-1] for prompt in asked])
        whole = sum(len(encode(model, prompt)) for prompt in asked)
        assert found.cost.tokens < 0.9 * whole, f"{found.cost.tokens} tokens computed of {whole}; fewer expected"


@job
def eager(subject: Subject) -> None:
    """Eager attention gives the logits and answers of fused attention, under edits too."""
    model, rows = subject.model, edited_rows(subject)
    asked = rows[-4:]
    fused, answers = run(model, rows).logits, generate(model, asked, max_new_tokens=NEW).tokens
    with attention(model, "eager"):
        same("logits", run(model, rows).logits, fused)
        equal("answers", generate(model, asked, max_new_tokens=NEW).tokens, answers)
