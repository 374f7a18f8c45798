"""Prompts with a modality spoilt: made blank, put in another order, or replaced by noise."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
from PIL import Image

from trimtab.engine import Prompt
from trimtab.modalities import Modality

Spoilt = Literal["blank", "shuffle", "noise"]
GREY = (127, 127, 127)
TILES = 4
"""A shuffled picture is cut into so many tiles each way."""


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
    spoil = SPOIL_PICTURE[kind]
    return replace(prompt, images=tuple(spoil(image, chance) for image in prompt.images))


def blank_picture(picture: Image.Image, _chance: random.Random) -> Image.Image:
    """Return a grey picture, as large as another."""
    return Image.new("RGB", picture.size, GREY)


def shuffled_picture(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Return a picture with its tiles in another order; a rim that no tile covers stays."""
    pixels = np.array(picture.convert("RGB"))
    high, wide = pixels.shape[0] // TILES, pixels.shape[1] // TILES
    places = [
        (slice(y * high, (y + 1) * high), slice(x * wide, (x + 1) * wide)) for y in range(TILES) for x in range(TILES)
    ]
    tiles = [pixels[place].copy() for place in places]
    chance.shuffle(tiles)
    for place, tile in zip(places, tiles, strict=True):
        pixels[place] = tile
    return Image.fromarray(pixels)


def noise_picture(picture: Image.Image, chance: random.Random) -> Image.Image:
    """Return a picture of random pixels, as large as another."""
    return Image.frombytes("RGB", picture.size, chance.randbytes(3 * picture.width * picture.height))


def shuffled_words(text: str, chance: random.Random) -> str:
    """Return a text's words in another order."""
    words = text.split()
    chance.shuffle(words)
    return " ".join(words)


def random_letters(text: str, chance: random.Random) -> str:
    """Return a text with each letter replaced by a random one."""
    return re.sub(r"[^\W\d_]", lambda _: chance.choice(string.ascii_lowercase), text)


SPOIL_PICTURE: dict[Spoilt, Callable[[Image.Image, random.Random], Image.Image]] = {
    "blank": blank_picture,
    "shuffle": shuffled_picture,
    "noise": noise_picture,
}
SPOIL_TEXT: dict[Spoilt, Callable[[str, random.Random], str]] = {"shuffle": shuffled_words, "noise": random_letters}
"""A blank text is none."""
