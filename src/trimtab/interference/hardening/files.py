"""Files of a run that may be killed beside them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from trimtab.files import temporary_name, write_whole, writing

OUT = "`out` of harden"
"""What the user calls the folder of a run."""

CARD = "README.md"
RECORD = "harden.json"
"""What went in and what came out."""
LAST = ("adapter_config.json", "config.json")
"""By these a folder is known to be a model; they come when everything else is there."""


def write_json(path: Path, value: object) -> None:
    """Write a file whole or not at all."""
    write_whole(path, json.dumps(value, indent=1), owner=OUT)


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a file of names and values; None if it is not there, torn, or holds something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def save_model(out: Path, save: Callable[[Path], None], card: str) -> dict[str, int]:
    """Save a model and its card into a run's folder: each file whole, and the one that makes it a model last.

    Args:
        out: The folder.
        save: Saves the model into the folder it is given.
        card: The model card, in the place of any that ``save`` writes.

    Returns:
        The size in bytes of each file.

    Raises:
        RunFolderError: The disk refuses.
    """
    part = temporary_name(out / "model")
    try:
        with writing(out, OUT):
            part.mkdir()
            save(part)
            (part / CARD).write_text(card, encoding="utf-8")
            names = sorted((path.name for path in part.iterdir()), key=lambda name: (name in LAST, name))
            sizes = {name: (part / name).stat().st_size for name in names}
            for name in names:
                (part / name).replace(out / name)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return sizes
