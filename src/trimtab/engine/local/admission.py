"""Which prompts a model can take, asked before any work, so that a bad one costs itself alone and not the run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.local.encoding import Encoded, check_length, encode
from trimtab.engine.local.memory import out_of_memory
from trimtab.engine.prompt import Prompt
from trimtab.errors import TrimtabError
from trimtab.models import Model, Pixels

POSITIONS_AT_ONCE = 1024
"""Image positions embedded together; as many as the vision tower takes in one call."""

LONGEST_REASON = 500
"""Characters of a reason: some libraries quote the whole prompt."""


def admit(model: Model, prompts: Sequence[Prompt | Encoded], *, new_tokens: int = 0) -> dict[int, str]:
    """Encode each prompt and embed its pictures, and say which prompts the model cannot take.

    Such are a picture that the image processor refuses or whose features are not finite, a text that the tokenizer
    cannot read, and a prompt that does not fit the model's positions.
    Embedded pictures stay in the model's cache, so what is asked next does not encode them again; a picture that
    several prompts show is looked at once. Nothing else is kept.

    Args:
        model: The model.
        prompts: The prompts.
        new_tokens: Longest answer to each, which needs positions of its own.

    Returns:
        The reason for each refused prompt, by its place; empty if the model takes them all.
    """
    refused: dict[int, str] = {}
    faults: dict[str, str | None] = {}  # of each picture looked at, by its key
    waiting: list[tuple[int, tuple[Pixels, ...]]] = []
    positions = 0
    for place, prompt in enumerate(prompts):
        try:
            encoded = prompt if isinstance(prompt, Encoded) else encode(model, prompt)
            check_length(model, encoded, new_tokens)
        except Exception as error:  # whatever image processor and tokenizer make of it
            refused[place] = reason_of(error)
            continue
        waiting.append((place, encoded.pixels))
        positions += sum(p.n_tokens for p in encoded.pixels)
        if positions >= POSITIONS_AT_ONCE:
            refused |= _looked_at(model, waiting, faults)
            waiting, positions = [], 0
    return dict(sorted((refused | _looked_at(model, waiting, faults)).items()))


def reason_of(error: Exception) -> str:
    """Return why something was refused, in words; a lack of memory is nobody's fault and is raised again."""
    if out_of_memory(error):
        raise error
    foreign = f"the model cannot take it ({type(error).__name__}: {error})"
    text = str(error) if isinstance(error, TrimtabError) else foreign
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]} ..."


def _looked_at(
    model: Model, waiting: Sequence[tuple[int, tuple[Pixels, ...]]], faults: dict[str, str | None]
) -> dict[int, str]:
    """Embed pictures that were not looked at yet, and return the reasons of the prompts that show bad ones."""
    new = {p.key: p for _, pixels in waiting for p in pixels if p.key not in faults}
    faults.update(_faults(model, list(new.values())))
    found = ((place, faults[p.key]) for place, pixels in waiting for p in pixels)
    return {place: fault for place, fault in found if fault is not None}


def _faults(model: Model, pixels: list[Pixels]) -> dict[str, str | None]:
    if not pixels:
        return {}
    try:
        embeddings = model.embed_images(pixels)
    except Exception as error:  # whatever the vision tower makes of them; which one it was is found one by one
        reason = reason_of(error)
        if len(pixels) == 1:
            return {pixels[0].key: reason}
        return {key: fault for p in pixels for key, fault in _faults(model, [p]).items()}
    return {p.key: _not_finite(model, p, e) for p, e in zip(pixels, embeddings, strict=True)}


def _not_finite(model: Model, pixels: Pixels, embedding: torch.Tensor) -> str | None:
    if bool(torch.isfinite(embedding).all()):
        return None
    return (
        f"`images` must have finite features; {model.name} in {str(model.dtype).removeprefix('torch.')} makes NaN or "
        f"infinity of a picture of {pixels.n_tokens} positions; load it with dtype='bfloat16' or 'float32'."
    )
