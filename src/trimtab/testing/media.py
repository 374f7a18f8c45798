"""Pictures, sounds and clips for tests."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trimtab.media import Clip, Sound


def picture(seed: int = 0, size: tuple[int, int] = (56, 56)) -> Image.Image:
    """Return a random RGB picture of ``size`` (width, height), the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def sound(seed: int = 0, seconds: float = 1.0, rate: int = 64) -> Sound:
    """Return random noise, the same for the same seed."""
    samples = np.random.default_rng(seed).uniform(-1, 1, round(seconds * rate))
    return Sound(samples, rate)


def melody(seed: int = 0, seconds: float = 1.0, rate: int = 16000) -> Sound:
    """Return random tones, a tenth of a second each, the same for the same seed; unlike noise, no two sound alike."""
    pitches = np.random.default_rng(seed).uniform(100, 4000, int(10 * seconds) + 1)
    times = np.arange(round(seconds * rate)) / rate
    return Sound(np.sin(2 * np.pi * pitches[(10 * times).astype(int)] * times), rate)


def clip(seed: int = 0, frames: int = 4, size: tuple[int, int] = (56, 56)) -> Clip:
    """Return random pictures one after the other, the same for the same seed."""
    return Clip([picture(seed * frames + number, size) for number in range(frames)])
