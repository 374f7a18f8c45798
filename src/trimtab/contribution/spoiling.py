"""Prompts with a modality spoilt: made blank, put in another order, or replaced by noise."""

from __future__ import annotations

import random
import re
import string
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from PIL import Image

from trimtab.engine import Prompt
from trimtab.media import Clip, Sound
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
    spoil = SPOIL[modality][kind]
    return prompt.with_media(modality, tuple(spoil(medium, chance) for medium in prompt.media.get(modality, ())))


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


def silence(sound: Sound, _chance: random.Random) -> Sound:
    """Return silence, as long as a sound."""
    return Sound(np.zeros(len(sound.samples)), sound.rate)


def shuffled_sound(sound: Sound, chance: random.Random) -> Sound:
    """Return a sound cut into pieces, in another order."""
    pieces = np.array_split(sound.samples, TILES**2)
    chance.shuffle(pieces)
    return Sound(np.concatenate(pieces), sound.rate)


def noise_sound(sound: Sound, chance: random.Random) -> Sound:
    """Return random samples, as many as a sound has."""
    return Sound(np.random.default_rng(chance.getrandbits(64)).uniform(-1, 1, len(sound.samples)), sound.rate)


def by_frame(spoil: Callable[[Image.Image, random.Random], Image.Image]) -> Callable[[Clip, random.Random], Clip]:
    """Return what spoils each picture of a clip."""
    return lambda clip, chance: Clip([spoil(frame, chance) for frame in clip.frames], clip.seconds)


def shuffled_clip(clip: Clip, chance: random.Random) -> Clip:
    """Return a clip with its pictures in another order, and each one's tiles."""
    frames = [shuffled_picture(frame, chance) for frame in clip.frames]
    chance.shuffle(frames)
    return Clip(frames, clip.seconds)


SPOIL: dict[Modality, dict[Spoilt, Callable[[Any, random.Random], Any]]] = {
    "image": {"blank": blank_picture, "shuffle": shuffled_picture, "noise": noise_picture},
    "audio": {"blank": silence, "shuffle": shuffled_sound, "noise": noise_sound},
    "video": {"blank": by_frame(blank_picture), "shuffle": shuffled_clip, "noise": by_frame(noise_picture)},
}
"""How each modality that is shown is spoilt: a medium and what is random make another one of the same size."""

SPOIL_TEXT: dict[Spoilt, Callable[[str, random.Random], str]] = {"shuffle": shuffled_words, "noise": random_letters}
"""A blank text is none."""
