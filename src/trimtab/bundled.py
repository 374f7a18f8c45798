"""The models that load by name: the two pocket ones, which come with trimtab, and smol-llava, whose eyes do."""

from __future__ import annotations

from pathlib import Path

from trimtab import pocket
from trimtab.progress import SILENT, Progress

SMOL = "smol-llava"
BUNDLED = (*pocket.CHECKPOINTS, SMOL)
"""Their names."""


def checkpoint(name: str, progress: Progress = SILENT) -> Path:
    """Return the folder of a bundled model; smol-llava's is put together on first use.

    Args:
        name: One of `BUNDLED`.
        progress: Told of how that gets on.

    Raises:
        MissingDependencyError: smol-llava is not there yet, and its language model's package is not installed.
    """
    if name != SMOL:
        return pocket.checkpoint(name)
    from trimtab import smol

    return smol.checkpoint(progress)


def present(name: str) -> Path | None:
    """Return the folder of a bundled model, or None where it is still to be made or is missing."""
    if name == SMOL:
        from trimtab import smol

        return smol.made()
    folder = pocket.checkpoint(name)
    return folder if folder.is_dir() else None
