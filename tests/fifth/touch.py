"""Touches: pressures one after the other, from a text file of numbers or a list. Put into ``trimtab/media``."""

# pyright: reportArgumentType=false
# The modality is known to the trimtab that this is put into, not to the one that type checkers read.

from __future__ import annotations

import hashlib
from os import PathLike
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from trimtab.errors import UsageError
from trimtab.media.kinds import MediumKind, register_kind
from trimtab.media.source import Source, check_file


class Touch:
    """Pressures, ``(touches,)``."""

    origin = stamp = None

    def __init__(self, pressures: Any) -> None:
        self.pressures = np.array(pressures, np.float32)

    @property
    def nbytes(self) -> int:
        return self.pressures.nbytes

    @property
    def fingerprint(self) -> str:
        return hashlib.sha256(self.pressures.tobytes()).hexdigest()[:32]


def open_touch(source: Any, name: str | None = None) -> Touch:
    if isinstance(source, Touch):
        return source
    if isinstance(source, str | PathLike):
        check_file(Path(source), name or str(source), "touch")
        return open_touch(Path(source).read_bytes(), name)
    if isinstance(source, bytes):
        return Touch([float(number) for number in source.split()])
    if isinstance(source, Source):
        return open_touch(source.open(), name)
    if isinstance(source, list):
        return Touch(source)
    raise UsageError(f"touch {name or 'of a prompt'} must be numbers; got {type(source).__name__}; give a list.")


def shuffled(touch: Touch, chance: Random) -> Touch:
    return Touch(chance.sample(touch.pressures.tolist(), len(touch.pressures)))


register_kind(
    MediumKind(
        "touch",
        "touch",
        Touch,
        open=open_touch,
        fingerprint=lambda touch: touch.fingerprint,
        shape=lambda touch: len(touch.pressures),
        encode=lambda touch: " ".join(map(repr, touch.pressures.tolist())).encode(),
        suffix=lambda _data, _name: ".txt",
        example=lambda: Touch(np.linspace(-1, 1, 48)),
        spoil={
            "blank": lambda touch, _chance: Touch(np.zeros_like(touch.pressures)),
            "shuffle": shuffled,
            "noise": lambda touch, chance: Touch([chance.uniform(-1, 1) for _ in touch.pressures]),
        },
    )
)
