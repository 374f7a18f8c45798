"""Write an artifact's folder: all of it or nothing."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from trimtab.engine import Predictor
from trimtab.errors import RunFolderError, UsageError
from trimtab.steering.card import model_card

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

SCHEMA_VERSION = 1
CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "README.md"
FIELDS = (
    "method",
    "target",
    "layer",
    "strength",
    "positions",
    "instruction",
    "placement",
    "model_name",
    "model_fingerprint",
    "data_fingerprint",
    "options",
    "metrics",
)
"""Fields of an artifact kept in ``config.json``; the direction is in the weights."""

PREDICTOR_TENSORS = ("w_in", "b_in", "w_out", "b_out")


def save_artifact(artifact: Artifact, folder: Path) -> Path:
    """Write an artifact; see ``Artifact.save``."""
    from safetensors.torch import save

    config: dict[str, Any] = {"schema_version": SCHEMA_VERSION}
    config |= {name: getattr(artifact, name) for name in FIELDS}
    return _write_folder(
        folder.resolve(),
        {
            CONFIG: (json.dumps(config, indent=2, allow_nan=False) + "\n").encode(),
            WEIGHTS: save(_tensors(artifact.direction)),
            CARD: model_card(artifact).encode(),
        },
    )


def _tensors(direction: Tensor | Predictor | None) -> dict[str, Tensor]:
    if direction is None:
        return {}
    if isinstance(direction, Predictor):
        return {name: getattr(direction, name).contiguous() for name in PREDICTOR_TENSORS}
    return {"vector": direction.contiguous()}


def _write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files beside the folder, then put them in its place."""
    if folder.exists() and not (folder.is_dir() and {p.name for p in folder.iterdir()} <= set(files)):
        raise UsageError(
            f"`folder` of save must be new, empty or an artifact; {folder} holds something else; choose another."
        )
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        for name, data in files.items():
            (part / name).write_bytes(data)
        _put_in_place(part, folder)
    except OSError as error:
        raise RunFolderError(
            f"`folder` of save must be writable; {folder} is not ({error.strerror or error}); free some space or "
            "choose another folder."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _put_in_place(part: Path, folder: Path) -> None:
    """Rename ``part`` to ``folder``; what was there before comes back if that fails."""
    if not folder.exists():
        part.rename(folder)
        return
    before = part.with_suffix(".before")
    folder.rename(before)
    try:
        part.rename(folder)
    except OSError:
        before.rename(folder)
        raise
    shutil.rmtree(before, ignore_errors=True)
