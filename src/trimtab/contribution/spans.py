"""Which tokens of a prompt are a modality's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from trimtab.engine import PARTS_OF, Encoded
from trimtab.modalities import SHOWN, Modality

TextSpan = Literal["user_text", "context", "prompt"]
PARTS: dict[TextSpan, tuple[str, ...]] = {"user_text": (*PARTS_OF["text"], "question"), "context": PARTS_OF["text"]}


def segment(prompt: Encoded, modality: Modality, text: TextSpan = "user_text") -> Int[Tensor, " n"]:
    """Return the token indices of a modality, ``(n,)``, without the query, which is the last prompt token.

    By default the text is what the user asks about: context and question with its options. An instruction is not
    part of it, so that scores with and without one cover the same tokens; nor are the template's own tokens.
    """
    if modality != "text":
        return _tokens(prompt, PARTS_OF[modality])
    if text != "prompt":
        return _tokens(prompt, PARTS[text])
    is_text = torch.ones(len(prompt) - 1, dtype=torch.bool, device=prompt.ids.device)
    is_text[_tokens(prompt, [part for shown in SHOWN for part in PARTS_OF[shown]])] = False
    return is_text.nonzero()[:, 0]


def _tokens(prompt: Encoded, parts: Sequence[str]) -> Tensor:
    """Return the token indices of some parts before the query, part by part."""
    places = [prompt.spans[name] for name in parts if name in prompt.spans]
    found = torch.cat(places) if places else prompt.ids[:0]
    return found[found < len(prompt) - 1]
