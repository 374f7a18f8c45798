"""Pocket: the bundled benchmark (pocket-mc2) and the two pocket models.

Pictures are OpenMoji (https://openmoji.org, CC BY-SA 4.0), rendered when needed.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.pocket.benchmark import SPLITS, TASKS, PocketItem
    from trimtab.pocket.drawing import items
    from trimtab.pocket.instructions import instructions_for
    from trimtab.pocket.scene import Scene

CHECKPOINTS = ("pocket-llava", "pocket-qwen")
"""Names of the pocket models."""

_HOMES = {
    "SPLITS": "benchmark",
    "TASKS": "benchmark",
    "PocketItem": "benchmark",
    "Scene": "scene",
    "instructions_for": "instructions",
    "items": "drawing",
}

__all__ = [
    "CHECKPOINTS",
    "SPLITS",
    "TASKS",
    "PocketItem",
    "Scene",
    "checkpoint",
    "instructions_for",
    "items",
]


def checkpoint(name: str) -> Path:
    """The folder of a pocket model.

    Args:
        name: One of `CHECKPOINTS`.
    """
    if name not in CHECKPOINTS:
        raise UsageError(f"`name` of a pocket checkpoint must be one of {', '.join(CHECKPOINTS)}; got {name!r}.")
    return Path(__file__).parent / "checkpoints" / name


def __getattr__(name: str) -> object:
    """Import what draws pictures only when it is used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
