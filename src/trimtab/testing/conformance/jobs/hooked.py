"""Edits of states and heads, each beside hooks of PyTorch on the model's own forward, and none without a hit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from trimtab.engine import (
    AddGatedVector,
    Edit,
    Encoded,
    Places,
    Prompt,
    Read,
    ReplaceStates,
    Row,
    ShiftHeads,
    SkipLayers,
    encode,
    run,
)
from trimtab.errors import NothingEditedError
from trimtab.testing.conformance.comparing import equal, moved, same
from trimtab.testing.conformance.jobs.editing import same_ways
from trimtab.testing.conformance.outcomes import job
from trimtab.testing.conformance.subject import Subject

Change = Callable[[Tensor, Tensor], Tensor]
"""What a layer is to put out, of what came in and what it put out, each ``(length, hidden)``."""

Hooked = AbstractContextManager[None]
"""The plain reference of an edit: while it is open, the model's own forward is edited by a hook."""

AT: Places = ("instruction", "last")


@job
def replace_states(subject: Subject) -> None:
    """Tokens go on with states that they are given, those of other tokens, as if a hook had put them there."""
    model, kind = subject.model, subject.kinds[0]
    prompt, tried = encode(model, subject.prompt), list[tuple[Edit, int, Hooked]]()
    for layer in subject.layers:
        given = _states(subject, layer).flip(0)
        # Media only here: not every layer above reads keys of its own below, and above the last one nothing is read.
        media = [((kind,), prompt.span(kind))] if layer == subject.layers[0] else []
        for at, tokens in (*media, (AT, _tokens(prompt))):
            hooked = _after([model.layers[layer]], _putting(given, tokens))
            tried.append((ReplaceStates(layer, given[tokens], at), len(tokens), hooked))
    _beside_hooks(subject, tried)
    _raises_without_a_hit(subject, ReplaceStates(0, subject.vector()[None], ("context",)))


@job
def skip_layers(subject: Subject) -> None:
    """Tokens leave layers as they came in, as if a hook had handed their input on."""
    tokens = _tokens(encode(subject.model, subject.prompt))
    tried: list[tuple[Edit, int, Hooked]] = []
    for layers in (*((layer,) for layer in subject.layers), subject.layers[-2:]):
        hooked = _after([subject.model.layers[layer] for layer in layers], lambda came, went: _at(tokens, came, went))
        tried.append((SkipLayers(layers, AT), len(layers) * len(tokens), hooked))
    _beside_hooks(subject, tried)
    _raises_without_a_hit(subject, SkipLayers((0,), ("context",)))


@job
def shift_heads(subject: Subject) -> None:
    """Heads put out so much more, as if a hook had added it before their projection."""
    model, heads = subject.model, subject.heads
    tokens, tried = _tokens(encode(model, subject.prompt)), list[tuple[Edit, int, Hooked]]()
    for layer in subject.attending:
        width = model.head_dims[layer]
        values = torch.randn(len(heads), width, generator=torch.Generator().manual_seed(layer))
        added = torch.zeros(model.n_heads, width)
        added[list(heads)] = 3.0 * values
        edit = ShiftHeads(layer, heads, AT, values, 3.0)
        tried.append((edit, len(tokens), _before(model.head_outputs[layer], _adding(added.flatten(), tokens))))
    _beside_hooks(subject, tried)
    first = subject.attending[0]
    _raises_without_a_hit(subject, ShiftHeads(first, (0,), ("context",), torch.ones(1, model.head_dims[first])))


@job
def add_gated_vector(subject: Subject) -> None:
    """Each token gets as much of the vector as its own state says, as if a hook had gated and added it."""
    model, vector, weights = subject.model, subject.vector(), subject.vector(1) / subject.model.hidden_size**0.5
    length, tried = len(encode(model, subject.prompt)), list[tuple[Edit, int, Hooked]]()
    for layer in subject.layers:
        offset = 0.5 - float(_states(subject, layer)[-1] @ weights)  # the last token's gate is half open
        edit = AddGatedVector(layer, vector, 2.0, "all", weights, offset)
        tried.append((edit, length, _after([model.layers[layer]], _gated(vector, weights, offset, 2.0))))
    _beside_hooks(subject, tried)
    _raises_without_a_hit(subject, AddGatedVector(0, vector, 2.0, "generated_only", weights, 1.0))


def _beside_hooks(subject: Subject, tried: Sequence[tuple[Edit, int, Hooked]]) -> None:
    """Compare the first answer token's logits under each edit with those of the model's own forward under its hook."""
    model, prompt = subject.model, subject.prompt
    plain, rows = run(model, [prompt]).logits, []
    for edit, hits, hooked in tried:
        what, row = f"{edit.name} at layers {edit.at_layers(model)}", Row(prompt, (edit,))
        with hooked:
            expected = subject.own_logits(prompt)[-1:]
        found = run(model, [row])
        same(f"logits, {what}", found.logits, expected)
        moved(f"logits, {what}", found.logits, plain)
        equal(f"receipt of {what}", sum(entry["prompt_positions"] for entry in found.receipt.table()), hits)
        rows.append(row)
    same("logits after all hooks", subject.own_logits(prompt)[-1:], plain)
    same_ways(model, rows)


def _raises_without_a_hit(subject: Subject, edit: Edit) -> None:
    """An edit of places that a prompt does not have must raise, the fast way and the plain way."""
    bare = Prompt("How many are there?", media={subject.kinds[0]: [subject.medium(subject.kinds[0])]})
    for reuse in (True, False):
        try:
            run(subject.model, [Row(bare, (edit,))], reuse=reuse)
        except NothingEditedError:
            continue
        raise AssertionError(f"{edit.name} touched no token, and nothing was raised with reuse={reuse}")


def _states(subject: Subject, layer: int) -> Tensor:
    """Return what a layer puts out at every token of the prompt, ``(length, hidden)``."""
    return run(subject.model, [subject.prompt], Read(logits=False, hidden=(layer,), at="all")).hidden[layer][0]


def _tokens(prompt: Encoded) -> Tensor:
    return torch.cat([prompt.span(str(place)) for place in AT])


def _at(tokens: Tensor, there: Tensor, elsewhere: Tensor) -> Tensor:
    """Return one tensor's rows at some tokens and another's elsewhere."""
    found = elsewhere.clone()
    found[tokens] = there[tokens]
    return found


def _putting(given: Tensor, tokens: Tensor) -> Change:
    return lambda _came, went: _at(tokens, given.to(went), went)


def _adding(vector: Tensor, tokens: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda heads: _at(tokens, heads + vector.to(heads), heads)


def _gated(vector: Tensor, weights: Tensor, offset: float, strength: float) -> Change:
    return lambda _came, went: went + strength * (went @ weights + offset).clamp(0, 1)[:, None] * vector


@contextmanager
def _after(layers: Sequence[nn.Module], change: Change) -> Iterator[None]:
    """Change what layers put out."""

    def hook(_module: nn.Module, args: tuple, kwargs: dict[str, Any], output: Tensor | tuple[Tensor, ...]) -> object:
        came = args[0] if args else kwargs["hidden_states"]
        if isinstance(output, tuple):
            return (change(came[0], output[0][0])[None], *output[1:])
        return change(came[0], output[0])[None]

    handles = [layer.register_forward_hook(hook, with_kwargs=True) for layer in layers]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _before(projection: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Change what goes into a projection, ``(length, heads * head_dim)``."""
    handle = projection.register_forward_pre_hook(lambda _module, args: (change(args[0][0])[None], *args[1:]))
    try:
        yield
    finally:
        handle.remove()
