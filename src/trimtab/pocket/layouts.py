"""Scenes that show a given answer: one composer per kind of question."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from trimtab.pocket import bank
from trimtab.pocket.scene import SIDE, Color, Mark, Scene, Sprite

Composer = Callable[[str, str, random.Random], tuple[list[Mark], list[Sprite]]]

_PALE: tuple[Color, ...] = (
    (250, 248, 240), (226, 240, 250), (235, 250, 232), (252, 240, 224), (240, 232, 248),
    (224, 244, 242), (250, 232, 236), (238, 238, 238), (214, 228, 214), (230, 222, 206),
)  # fmt: skip
_CLUTTER: tuple[Color, ...] = ((200, 200, 196), (205, 214, 222), (214, 206, 196), (200, 214, 200))
_CELLS = {"top left": (-1, -1), "top right": (1, -1), "bottom left": (-1, 1), "bottom right": (1, 1), "middle": (0, 0)}
_STEPS = {"side by side": (1, 0), "one above the other": (0, 1), "diagonal": (0.85, 0.85)}


def compose(kind: str, subject: str, answer: str, rng: random.Random) -> Scene:
    """A random scene in which the question of this kind about the subject has this answer.

    Args:
        kind: A key of `KINDS`.
        subject: What the question names: an object, or `first|second` for arrangements.
        answer: The answer the picture must support.
        rng: The source of all variation.
    """
    marks, sprites = KINDS[kind](subject, answer, rng)
    clutter = [_speck(rng) for _ in range(rng.randint(0, 4))]
    scenery = [_scenery(rng)] if rng.random() < 0.4 else []
    return Scene(
        background=(rng.choice(_PALE), rng.choice(_PALE)),
        horizon=rng.choice((1.0, 1.0, rng.uniform(0.5, 0.8))),
        marks=tuple(clutter + marks),
        sprites=tuple(scenery + sprites),
        noise=rng.choice((0.0, rng.uniform(3, 12))),
        noise_seed=rng.randrange(2**31),
    )


def _speck(rng: random.Random) -> Mark:
    shape = rng.choice(("round", "square", "triangular", "diamond-shaped"))
    return Mark(shape, rng.uniform(4, SIDE - 4), rng.uniform(4, SIDE - 4), rng.uniform(4, 10), rng.choice(_CLUTTER))


def _scenery(rng: random.Random) -> Sprite:
    x, y = rng.choice((10, SIDE - 10)), rng.choice((10, SIDE - 10))
    return Sprite("scenery", rng.choice(bank.SCENERY), x, y, rng.randint(14, 20), flip=rng.random() < 0.5)


def _sprite(name: str, pictures: tuple[str, ...], rng: random.Random, low: int, high: int, **fixed: object) -> Sprite:
    """One picture of random size, at a random place where it fits, slightly turned."""
    size = rng.randint(low, high)
    reach = SIDE / 2 - size / 2 - 2
    pose: dict[str, Any] = {
        "x": SIDE / 2 + rng.uniform(-1, 1) * max(reach, 0),
        "y": SIDE / 2 + rng.uniform(-1, 1) * max(reach, 0),
        "size": size,
        "angle": rng.uniform(-18, 18),
        "flip": rng.random() < 0.5,
        "tone": rng.randrange(6),
        **fixed,
    }
    return Sprite(name, rng.choice(pictures), **pose)


def _single(table: dict[str, tuple[str, ...]]) -> Composer:
    def composer(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
        return [], [_sprite(answer, table[answer], rng, 46, 88)]

    return composer


def _object(name: str, rng: random.Random, low: int, high: int, **fixed: object) -> Sprite:
    pictures = bank.OBJECT_PICTURES.get(name) or bank.DYEABLE[name]
    return _sprite(name, pictures, rng, low, high, **fixed)


def _color(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    shift = rng.choice((-14, 0, 14))  # three shades only, so that dyed pictures can be cached
    color = tuple(max(0, min(255, part + shift)) for part in bank.COLORS[answer])
    return [], [_sprite(subject, bank.DYEABLE[subject], rng, 48, 86, color=color)]


def _pattern(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    color = bank.COLORS[rng.choice(("red", "orange", "yellow", "green", "blue", "purple", "pink", "white"))]
    dress = {"color": color, "pattern": answer}
    return [], [_sprite(subject, bank.DYEABLE[subject], rng, 66, 92, **dress)]


def _orientation(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    turn = {"upright": 0, "upside down": 180, "on its side": rng.choice((90, -90))}[answer]
    return [], [_object(subject, rng, 54, 84, angle=turn + rng.uniform(-10, 10))]


def _size(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    low, high = {"tiny": (20, 27), "medium": (46, 58), "huge": (86, 96)}[answer]
    return [], [_object(subject, rng, low, high)]


def _shape(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    x, y = (SIDE / 2 + rng.uniform(-6, 6) for _ in range(2))
    frame = Mark(answer, x, y, rng.uniform(84, 98), rng.choice(list(bank.COLORS.values())[:7]))
    return [frame], [_object(subject, rng, 30, 38, x=x, y=y)]


def _count(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    number = bank.NUMBERS.index(answer) + 1
    cells = [(column, row) for column in range(3) for row in range(3)]
    sprites = []
    for column, row in rng.sample(cells, number):
        x, y = (20 + 36 * cell + rng.uniform(-4, 4) for cell in (column, row))
        sprites.append(_object(subject, rng, 27, 33, x=x, y=y))
    return [], sprites


def _corner(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    dx, dy = _CELLS[answer]
    x, y = (SIDE / 2 + 30 * step + rng.uniform(-6, 6) for step in (dx, dy))
    return [], [_object(subject, rng, 32, 44, x=x, y=y)]


def _arrangement(subject: str, answer: str, rng: random.Random) -> tuple[list[Mark], list[Sprite]]:
    dx, dy = (step * rng.choice((-1, 1)) for step in _STEPS[answer])
    half = rng.uniform(25, 28)
    # Apart from the diagonal, the two may shift together along the other axis.
    across = rng.uniform(-14, 14) if answer != "diagonal" else 0.0
    sprites = []
    for name, sign in zip(subject.split("|"), (1, -1), strict=True):
        x = SIDE / 2 + sign * half * dx + (across if not dx else rng.uniform(-3, 3))
        y = SIDE / 2 + sign * half * dy + (across if not dy else rng.uniform(-3, 3))
        sprites.append(_object(name, rng, 38, 48, x=x, y=y))
    return [], sprites


KINDS: dict[str, Composer] = {
    "object": _single(bank.OBJECT_PICTURES),
    "sport": _single(bank.SPORTS),
    "activity": _single(bank.ACTIVITIES),
    "mood": _single(bank.MOODS),
    "color": _color,
    "count": _count,
    "pattern": _pattern,
    "orientation": _orientation,
    "size": _size,
    "shape": _shape,
    "corner": _corner,
    "arrangement": _arrangement,
}
