"""What comes out of the door: a picture that needs no further care."""

from __future__ import annotations

import hashlib
from random import Random

import numpy as np
from PIL import Image

from trimtab.errors import DataError

MAX_PIXELS = 100_000_000
"""A picture of more pixels is refused before it is decoded: in RGB it would take more than 300 MB."""
GREY = (127, 127, 127)
TILES = 4
"""A shuffled picture is cut into so many tiles each way."""


class Picture(Image.Image):
    """An upright, opaque picture in 8-bit RGB that is nobody else's.

    The class is a mark: ``open_picture`` gives these back as they are, so that a picture asked about many times is
    kept once. What PIL derives from one (a copy, a crop) is a plain image again.

    Attributes:
        origin: What opens it again: a path, encoded bytes, or an object with ``open()``; None if nothing does.
        stamp: When its file was last changed, and its size in bytes; None where there is no file.
    """

    origin: object = None
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


def example_picture() -> Image.Image:
    """Return a small picture of colours that rise from its first pixel to its last, wider than high."""
    return Image.fromarray(np.linspace(0, 255, 56 * 84 * 3, dtype=np.uint8).reshape(56, 84, 3))


def blank_picture(picture: Image.Image, _chance: Random) -> Image.Image:
    """Return a grey picture, as large as another."""
    return Image.new("RGB", picture.size, GREY)


def shuffled_picture(picture: Image.Image, chance: Random) -> Image.Image:
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


def noise_picture(picture: Image.Image, chance: Random) -> Image.Image:
    """Return a picture of random pixels, as large as another."""
    return Image.frombytes("RGB", picture.size, chance.randbytes(3 * picture.width * picture.height))
