"""Pictures: deterministic, quick, and showing what they should."""

from __future__ import annotations

import random
import time

import numpy as np
import pytest

from trimtab.pocket import bank
from trimtab.pocket.layouts import KINDS, compose
from trimtab.pocket.pictures import raster
from trimtab.pocket.scene import SIDE

SUBJECTS = {"color": "umbrella", "pattern": "shirt", "arrangement": "cat|dog"}
ANSWERS = {
    "object": "cat", "sport": "tennis", "activity": "cooking", "mood": "happy", "color": "red", "count": "three",
    "pattern": "striped", "orientation": "upside down", "size": "tiny", "shape": "round", "corner": "top left",
    "arrangement": "diagonal",
}  # fmt: skip


def _scene(kind, seed=0):
    return compose(kind, SUBJECTS.get(kind, "cat"), ANSWERS[kind], random.Random(seed))


@pytest.mark.parametrize("kind", KINDS)
def test_a_scene_always_gives_the_same_pixels(kind):
    first, second = _scene(kind), _scene(kind)
    assert first == second
    pixels = np.asarray(first.render())
    assert pixels.shape == (SIDE, SIDE, 3)
    assert np.array_equal(pixels, np.asarray(second.render()))


def test_scenes_vary():
    pictures = {_scene("object", seed).render().tobytes() for seed in range(20)}
    assert len(pictures) == 20


def test_counted_things_are_as_many_as_stated():
    for number, word in enumerate(bank.NUMBERS, 1):
        scene = compose("count", "cat", word, random.Random(number))
        assert sum(sprite.name == "cat" for sprite in scene.sprites) == number


@pytest.mark.parametrize("arrangement", bank.ARRANGEMENTS)
def test_two_things_stand_as_stated(arrangement):
    for seed in range(20):
        scene = compose("arrangement", "cat|dog", arrangement, random.Random(seed))
        cat, dog = (next(s for s in scene.sprites if s.name == name) for name in ("cat", "dog"))
        across, down = abs(cat.x - dog.x) > 30, abs(cat.y - dog.y) > 30
        assert (across, down) == {
            "side by side": (True, False), "one above the other": (False, True), "diagonal": (True, True),
        }[arrangement]  # fmt: skip


def test_every_picture_exists():
    pictures = [*bank.OBJECT_PICTURES.values(), *bank.SPORTS.values(), *bank.ACTIVITIES.values(), *bank.MOODS.values()]
    for emoji in [e for group in pictures for e in group] + list(bank.SCENERY):
        assert raster(emoji).any()


def test_rendering_is_quick_once_pictures_are_cached():
    scenes = [_scene(kind, seed) for kind in KINDS for seed in range(5)]
    for scene in scenes:
        scene.render()
    start = time.process_time()
    for scene in scenes:
        scene.render()
    assert (time.process_time() - start) / len(scenes) < 0.02  # about 1 ms on an idle machine
