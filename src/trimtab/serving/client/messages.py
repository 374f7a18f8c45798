"""Prompts and decoding in the form of OpenAI's chat completions."""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections import Counter
from collections.abc import Sequence
from typing import Any

from trimtab.engine import Decoding, Encoded, Prompt
from trimtab.errors import UnsupportedEngineError
from trimtab.media import Picture

SEEDS = 2**63


def messages_of(prompt: Prompt | Encoded, name: str) -> list[dict[str, Any]]:
    """Return a prompt as one user turn: its pictures as PNG, which loses nothing, then its text.

    Raises:
        UnsupportedEngineError: It is given as tokens, or shows something else than pictures.
    """
    if not isinstance(prompt, Prompt):
        raise UnsupportedEngineError(
            f"`prompt` of a row must be a Prompt where {name} is on a server, which writes it as tokens by itself; got "
            "an encoded one; give the prompt, or load the model with trimtab.load."
        )
    other = sorted(set(prompt.media) - {"image"})
    if other:
        raise UnsupportedEngineError(
            f"`media` of a prompt must be pictures where {name} is on a server; got {other[0]}; load the model with "
            "trimtab.load."
        )
    shown = [{"type": "image_url", "image_url": {"url": _data(picture)}} for picture in prompt.media.get("image", ())]
    return [{"role": "user", "content": [*shown, {"type": "text", "text": prompt.body()[0]}]}]


def _data(picture: Any) -> str:
    assert isinstance(picture, Picture)
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def decoding_of(decoding: Decoding, seed: int) -> dict[str, Any]:
    """Return every setting of decoding, since a server takes those that are left out from the checkpoint."""
    return {
        "temperature": decoding.temperature,
        "top_p": decoding.top_p or 1.0,
        "top_k": decoding.top_k or -1,
        "repetition_penalty": decoding.repetition_penalty,
        "seed": seed,
    }


def seeds_of(
    decoding: Decoding, prompts: Sequence[Prompt | Encoded], steered: Sequence[object], name: str
) -> list[int]:
    """Return the seed of each row's draws: it depends on the prompt, and on how many equal rows come before it.

    Args:
        decoding: Its ``seed`` is that of all.
        prompts: Each row's prompt.
        steered: What tells rows of one prompt apart.
        name: The model, for errors.
    """
    if decoding.temperature == 0:  # nothing is drawn
        return [0] * len(prompts)
    before: Counter[tuple[str, str]] = Counter()
    known: dict[int, str] = {}
    seeds = []
    for prompt, how in zip(prompts, steered, strict=True):
        if id(prompt) not in known:
            known[id(prompt)] = hashlib.sha256(json.dumps(messages_of(prompt, name)).encode()).hexdigest()
        place = known[id(prompt)], repr(how)
        told = hashlib.sha256(f"{decoding.seed} {place[0]} {before[place]}".encode()).digest()
        before[place] += 1
        seeds.append(int.from_bytes(told[:8]) % SEEDS)
    return seeds
