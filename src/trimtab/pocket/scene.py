"""A scene as a value: what stands where; and how it becomes pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageDraw

from trimtab.pocket.pictures import RASTER, dyed, raster

SIDE = 112  # pixels of a scene's edge
Color = tuple[int, int, int]


@dataclass(frozen=True)
class Sprite:
    """One picture in a scene: which, where (centre, in pixels), how large and how turned."""

    name: str
    emoji: str
    x: float
    y: float
    size: int
    angle: float = 0.0
    flip: bool = False
    tone: int = 0
    color: Color | None = None
    pattern: str = "plain"


@dataclass(frozen=True)
class Mark:
    """A painted shape behind the sprites: a frame with a shape, or a bit of clutter."""

    shape: str
    x: float
    y: float
    size: float
    color: Color


@dataclass(frozen=True)
class Scene:
    """Everything needed to draw a picture again, pixel for pixel."""

    background: tuple[Color, Color]
    horizon: float
    marks: tuple[Mark, ...]
    sprites: tuple[Sprite, ...]
    noise: float
    noise_seed: int

    def render(self) -> Image.Image:
        """Draw the scene: always the same pixels for the same scene."""
        canvas = _backdrop(self.background, self.horizon)
        draw = ImageDraw.Draw(canvas)
        for mark in self.marks:
            _draw_mark(draw, mark)
        for sprite in self.sprites:
            picture = _posed(sprite)
            corner = (round(sprite.x - picture.width / 2), round(sprite.y - picture.height / 2))
            canvas.paste(picture, corner, picture)
        return _with_noise(canvas, self.noise, self.noise_seed)


def _backdrop(colors: tuple[Color, Color], horizon: float) -> Image.Image:
    """Two colours: a soft gradient (no horizon) or a sky above a ground."""
    top, bottom = (np.asarray(color, np.float32) for color in colors)
    rows = np.linspace(0, 1, SIDE, dtype=np.float32)
    weight = rows if horizon >= 1 else (rows > horizon).astype(np.float32)
    column = top + (bottom - top) * weight[:, None]
    return Image.fromarray(np.repeat(column[:, None].astype(np.uint8), SIDE, axis=1))


def _posed(sprite: Sprite) -> Image.Image:
    if sprite.color is None:
        pixels = raster(sprite.emoji, sprite.tone)
    else:
        pixels = dyed(sprite.emoji, sprite.color, sprite.pattern)
    picture = Image.fromarray(pixels)
    if sprite.flip:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if sprite.size != RASTER:
        picture = picture.resize((sprite.size, sprite.size), Image.Resampling.BILINEAR)
    if sprite.angle:
        picture = picture.rotate(sprite.angle, Image.Resampling.BILINEAR, expand=True)
    return picture


@cache
def _unit_shape(shape: str) -> tuple[tuple[float, float], ...]:
    """The corners of a shape within a square from -1 to 1."""
    if shape == "square":
        return ((-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85))
    if shape == "diamond-shaped":
        return ((0, -1), (1, 0), (0, 1), (-1, 0))
    if shape == "triangular":
        return ((0, -1), (1, 0.8), (-1, 0.8))
    if shape == "star-shaped":
        turns = [math.pi * step / 5 for step in range(10)]
        return tuple(
            ((1 if i % 2 == 0 else 0.5) * math.sin(t), -(1 if i % 2 == 0 else 0.5) * math.cos(t))
            for i, t in enumerate(turns)
        )
    if shape == "heart-shaped":
        turns = [2 * math.pi * step / 40 for step in range(40)]
        return tuple(
            (math.sin(t) ** 3, -(13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t)) / 15) for t in turns
        )
    turns = [2 * math.pi * step / 32 for step in range(32)]
    return tuple((math.cos(t), math.sin(t)) for t in turns)


def _draw_mark(draw: ImageDraw.ImageDraw, mark: Mark) -> None:
    half = mark.size / 2
    points = [(mark.x + half * px, mark.y + half * py) for px, py in _unit_shape(mark.shape)]
    edge = (40, 40, 40) if mark.size > 40 else None
    draw.polygon(points, fill=mark.color, outline=edge, width=2)


def _with_noise(canvas: Image.Image, sigma: float, seed: int) -> Image.Image:
    if not sigma:
        return canvas
    grain = np.random.default_rng(seed).standard_normal((SIDE, SIDE), dtype=np.float32) * sigma
    noisy = np.asarray(canvas, np.float32) + grain[..., None]
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))
