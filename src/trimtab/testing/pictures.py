"""Pictures for tests."""

from __future__ import annotations

import numpy as np
from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (56, 56)) -> Image.Image:
    """Return a random RGB picture of ``size`` (width, height), the same for the same seed."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)
