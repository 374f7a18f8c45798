"""Prompts with a modality spoilt: made blank, put in another order, or replaced by noise."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from dataclasses import replace

from trimtab.engine import Prompt
from trimtab.media import Spoilt, medium_kind
from trimtab.modalities import Modality


def without(prompt: Prompt, *modalities: Modality) -> Prompt:
    """Return a prompt with blanks of the same sizes for what some modalities show, and without context for text."""
    for modality in modalities:
        prompt = spoilt(prompt, modality, "blank")
    return prompt


def spoilt(prompt: Prompt, modality: Modality, kind: Spoilt, key: str = "") -> Prompt:
    """Return a prompt with one modality spoilt.

    Args:
        prompt: The prompt.
        modality: Which.
        kind: How.
        key: Seeds what is random.
    """
    chance = random.Random(key)
    if modality == "text":
        words = SPOIL_TEXT.get(kind)
        return replace(prompt, context=words(prompt.context or "", chance) if words else None)
    spoil = medium_kind(modality).spoil[kind]
    return prompt.with_media(modality, tuple(spoil(medium, chance) for medium in prompt.media.get(modality, ())))


def shuffled_words(text: str, chance: random.Random) -> str:
    """Return a text's words in another order."""
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def random_letters(text: str, chance: random.Random) -> str:
    """Return a text with each letter replaced by a random one."""
    return re.sub(r"[^\W\d_]", lambda _: chance.choice(string.ascii_lowercase), text)


SPOIL_TEXT: dict[Spoilt, Callable[[str, random.Random], str]] = {"shuffle": shuffled_words, "noise": random_letters}
"""A blank text is none."""
