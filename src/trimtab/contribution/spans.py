"""Which tokens of a prompt are the image, and which are the text."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from trimtab.engine import Encoded
from trimtab.modalities import Modality

TextSpan = Literal["user_text", "context", "prompt"]
TEXT_SPANS: tuple[TextSpan, ...] = get_args(TextSpan)
PARTS: dict[TextSpan, tuple[str, ...]] = {"user_text": ("context", "question"), "context": ("context",)}


def segment(prompt: Encoded, modality: Modality, text: TextSpan = "user_text") -> Tensor:
    """Return the token indices of a modality, ``(n,)``, without the query, which is the last prompt token.

    By default the text is what the user asks about: context and question with its options. An instruction is not
    part of it, so that scores with and without one cover the same tokens; nor are the template's own tokens.
    """
    image = prompt.spans["image"]
    if modality == "image":
        return image[image < len(prompt) - 1]
    if text == "prompt":
        is_text = torch.ones(len(prompt) - 1, dtype=torch.bool, device=prompt.ids.device)
        is_text[image[image < len(prompt) - 1]] = False
        return is_text.nonzero()[:, 0]
    places = [prompt.spans[name] for name in PARTS[text] if name in prompt.spans]
    found = torch.cat(places) if places else image[:0]
    return found[found < len(prompt) - 1]
