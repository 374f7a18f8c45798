"""Sounds that have nothing to do with the question."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from trimtab.interference.perturbations.base import Draw, Kind, register
from trimtab.interference.perturbations.media import Borrowed, Own
from trimtab.interference.views import View
from trimtab.items.sources import MediaHeld
from trimtab.media import Sound
from trimtab.modalities import Modality

RATE, SECONDS = 16_000, 1.0
"""Samples a second, and length, of a made-up sound beside an item that has none of its own."""


@dataclass(frozen=True)
class MadeSound:
    """A sound that is made up, as long as the item's own."""

    name: str
    samples: Callable[[random.Random, int], np.ndarray]
    modality: Modality = "audio"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View:
        """Let the made-up sound be heard."""
        own = view.item.audio
        like = None if own is None else own.open()
        count, rate = (round(RATE * SECONDS), RATE) if like is None else (len(like.samples), like.rate)
        return view.showing(MediaHeld(Sound(self.samples(draw.rng, count), rate), "audio"))


def _silence(_rng: random.Random, count: int) -> np.ndarray:
    return np.zeros(count, np.float32)


def _noise(rng: random.Random, count: int) -> np.ndarray:
    return np.random.default_rng(rng.getrandbits(32)).uniform(-1, 1, count).astype(np.float32)


SOUNDS = tuple(
    register(kind)
    for kind in (
        Borrowed("other_audio", "audio"),
        Own("own_audio", "audio"),
        MadeSound("noise_audio", _noise),
        MadeSound("silent_audio", _silence),
    )
)
