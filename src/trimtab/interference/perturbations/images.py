"""Pictures that have nothing to do with the question."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image, ImageDraw

from trimtab.interference.perturbations.base import Draw, Kind, register
from trimtab.interference.perturbations.media import Borrowed, Own
from trimtab.interference.views import View
from trimtab.items.sources import ImageScene
from trimtab.modalities import Modality

SIDE = 336
"""Pixels of a made-up picture's side, as in the paper's code."""


@dataclass(frozen=True)
class Plain:
    """A picture of one colour."""

    color: str

    def render(self) -> Image.Image:
        """Draw it."""
        return Image.new("RGB", (SIDE, SIDE), self.color)


@dataclass(frozen=True)
class Noise:
    """A picture of independent uniform pixels."""

    seed: int

    def render(self) -> Image.Image:
        """Draw it."""
        return Image.frombytes("RGB", (SIDE, SIDE), random.Random(self.seed).randbytes(3 * SIDE * SIDE))


@dataclass(frozen=True)
class Screen:
    """A made-up screen of an application: a bar, a menu, lines of grey text, buttons."""

    seed: int

    def render(self) -> Image.Image:
        """Draw it."""
        rng = random.Random(self.seed)
        picture = Image.new("RGB", (SIDE, SIDE), rng.choice(("#ffffff", "#f4f5f7", "#202124")))
        pen = ImageDraw.Draw(picture)
        accent = rng.choice(("#1a73e8", "#188038", "#d93025", "#9334e6", "#e37400"))
        pen.rectangle((0, 0, SIDE, 36), fill=accent)
        menu = rng.randint(60, 110)
        pen.rectangle((0, 36, menu, SIDE), fill="#dadce0")
        for row in range(5):
            pen.rectangle((10, 52 + 26 * row, rng.randint(30, menu - 10), 60 + 26 * row), fill="#80868b")
        for row in range(9):
            pen.rectangle((menu + 16, 56 + 20 * row, rng.randint(menu + 60, SIDE - 16), 63 + 20 * row), fill="#9aa0a6")
        for button in range(2):
            left = menu + 16 + 90 * button
            pen.rounded_rectangle((left, 270, left + 74, 298), 8, fill=accent)
        return picture


@dataclass(frozen=True)
class DrawnImage:
    """A picture that is made up."""

    name: str
    scene: Callable[[random.Random], Plain | Noise | Screen]
    modality: Modality = "image"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View:
        """Show the made-up picture."""
        return view.showing(ImageScene(self.scene(draw.rng)))


IMAGES = tuple(
    register(kind)
    for kind in (
        Borrowed("other_image", "image"),
        Own("own_image", "image"),
        DrawnImage("noise_image", lambda rng: Noise(rng.getrandbits(32))),
        DrawnImage("black_image", lambda _: Plain("black")),
        DrawnImage("white_image", lambda _: Plain("white")),
        DrawnImage("screen_image", lambda rng: Screen(rng.getrandbits(32))),
    )
)
