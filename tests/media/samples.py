"""Small pictures in the forms in which people have them."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

RAMP = np.tile(np.arange(256, dtype=np.uint8), (4, 1))
"""Every level of grey once in a row."""


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def seen(picture: Image.Image) -> np.ndarray:
    """The pixels, which must be RGB."""
    assert picture.mode == "RGB"
    return np.asarray(picture)


def corners() -> np.ndarray:
    """A picture whose four corners differ, so that every turn and mirroring shows."""
    pixels = np.full((48, 80, 3), 128, np.uint8)
    pixels[:16, :16] = (255, 0, 0)
    pixels[:16, -16:] = (0, 255, 0)
    pixels[-16:, :16] = (0, 0, 255)
    return pixels
