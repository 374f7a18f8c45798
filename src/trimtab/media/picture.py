"""What comes out of the door: a picture that needs no further care."""

from __future__ import annotations

import hashlib
from typing import Any

from PIL import Image

from trimtab.errors import DataError

MAX_PIXELS = 100_000_000
"""A picture of more pixels is refused before it is decoded: in RGB it would take more than 300 MB."""


class Picture(Image.Image):
    """An upright, opaque picture in 8-bit RGB that is nobody else's.

    The class is a mark: ``open_picture`` gives these back as they are, so that a picture asked about many times is
    kept once. What PIL derives from one (a copy, a crop) is a plain image again.

    Attributes:
        origin: What opens it again: a path, encoded bytes, or an object with ``open()``; None if nothing does.
        stamp: When its file was last changed, and its size in bytes; None where there is no file.
    """

    origin: Any = None
    stamp: tuple[int, int] | None = None

    @property
    def untouched(self) -> bool:
        """Whether it is still what the door made; PIL can change an image's mode in place."""
        return self.mode == "RGB" and not self.info

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels."""
        return 3 * self.width * self.height


def as_picture(image: Image.Image) -> Picture:
    """Mark an RGB image that was made here and is in nobody's hands."""
    image.info = {}  # an orientation, a profile or a transparent colour must not be applied again
    image.__class__ = Picture
    assert isinstance(image, Picture)
    return image


def picture_key(picture: Image.Image) -> str:
    """Digest of an RGB picture's size and pixels: equal pictures have equal keys, wherever they came from."""
    return hashlib.sha256(f"{picture.size}".encode() + picture.tobytes()).hexdigest()[:32]


def check_size(size: tuple[int, int], name: str) -> None:
    """Refuse what has no pixels or too many.

    Raises:
        DataError: With the size.
    """
    width, height = size
    if width < 1 or height < 1:
        raise DataError(f"image {name} must have pixels; it is {width} x {height}; replace it or remove the item.")
    if width * height > MAX_PIXELS:
        raise DataError(
            f"image {name} must have at most {MAX_PIXELS:,} pixels; it is {width} x {height}; scale it down."
        )
