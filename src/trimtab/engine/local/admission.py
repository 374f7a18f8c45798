"""Which prompts a model can take, asked before any work, so that a bad one costs itself alone and not the run."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.encoded import Encoded
from trimtab.engine.local.encoding import check_length, encode
from trimtab.engine.prompt import Prompt
from trimtab.engine.reason import reason_of
from trimtab.media import medium_kind
from trimtab.models import MediaInput, Model

POSITIONS_AT_ONCE = 1024
"""Positions of media embedded together; as many as a tower takes in one call."""


def admit(model: Model, prompts: Sequence[Prompt | Encoded], *, new_tokens: int = 0) -> dict[int, str]:
    """Encode each prompt and embed its media, and say which prompts the model cannot take.

    Such are a medium that its processor refuses or whose features are not finite, a text that the tokenizer
    cannot read, and a prompt that does not fit the model's positions.
    Embedded media stay in the model's cache, so what is asked next does not encode them again; a medium that
    several prompts show is looked at once. Nothing else is kept.

    Args:
        model: The model.
        prompts: The prompts.
        new_tokens: Longest answer to each, which needs positions of its own.

    Returns:
        The reason for each refused prompt, by its place; empty if the model takes them all.
    """
    refused: dict[int, str] = {}
    faults: dict[str, str | None] = {}  # of each medium looked at, by its key
    waiting: list[tuple[int, tuple[MediaInput, ...]]] = []
    positions = 0
    for place, prompt in enumerate(prompts):
        try:
            encoded = prompt if isinstance(prompt, Encoded) else encode(model, prompt)
            check_length(model, encoded, new_tokens)
        except Exception as error:  # whatever processor and tokenizer make of it
            refused[place] = reason_of(error)
            continue
        waiting.append((place, encoded.media))
        positions += sum(m.n_tokens for m in encoded.media)
        if positions >= POSITIONS_AT_ONCE:
            refused |= _looked_at(model, waiting, faults)
            waiting, positions = [], 0
    return dict(sorted((refused | _looked_at(model, waiting, faults)).items()))


def _looked_at(
    model: Model, waiting: Sequence[tuple[int, tuple[MediaInput, ...]]], faults: dict[str, str | None]
) -> dict[int, str]:
    """Embed media that were not looked at yet, and return the reasons of the prompts that show bad ones."""
    new = {m.key: m for _, media in waiting for m in media if m.key not in faults}
    faults.update(_faults(model, list(new.values())))
    found = ((place, faults[m.key]) for place, media in waiting for m in media)
    return {place: fault for place, fault in found if fault is not None}


def _faults(model: Model, media: list[MediaInput]) -> dict[str, str | None]:
    if not media:
        return {}
    try:
        embeddings = model.embed_media(media)
    except Exception as error:  # whatever a tower makes of them; which one it was is found one by one
        reason = reason_of(error)
        if len(media) == 1:
            return {media[0].key: reason}
        return {key: fault for m in media for key, fault in _faults(model, [m]).items()}
    return {m.key: _not_finite(model, m, e) for m, e in zip(media, embeddings, strict=True)}


def _not_finite(model: Model, medium: MediaInput, embedding: torch.Tensor) -> str | None:
    if bool(torch.isfinite(embedding).all()):
        return None
    return (
        f"`media` must have finite features; {model.name} in {str(model.dtype).removeprefix('torch.')} makes NaN or "
        f"infinity of a {medium_kind(medium.kind).noun} of {medium.n_tokens} positions; load it with "
        "dtype='bfloat16' or 'float32'."
    )
