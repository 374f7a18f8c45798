"""The folder that any artifact is kept in: ``config.json``, ``weights.safetensors`` and a model card; no pickle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from trimtab.errors import ArtifactError, RunFolderError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "README.md"


def write_artifact(folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], card: str) -> Path:
    """Write an artifact's folder: all of it or nothing. An artifact already there is replaced.

    Returns:
        The folder.

    Raises:
        UsageError: The folder holds something else.
        RunFolderError: The disk refuses, for example because it is full.
    """
    from safetensors.torch import save

    return _write_folder(
        folder.resolve(),
        {
            CONFIG: (json.dumps(config, indent=2, allow_nan=False) + "\n").encode(),
            WEIGHTS: save(dict(tensors)),
            CARD: card.encode(),
        },
    )


def read_config(folder: Path, schema_version: int, types: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """Read an artifact's ``config.json``.

    Args:
        folder: The artifact.
        schema_version: The version of the schema that is understood.
        types: The fields that must be there, with their types.

    Raises:
        ArtifactError: It is missing or broken, or of another schema.
    """
    try:
        config = json.loads(_read(folder / CONFIG))
    except ValueError as error:
        raise ArtifactError(
            f"`{CONFIG}` of artifact {folder} must be JSON; it is broken ({error}); save the artifact again."
        ) from error
    version = config.get("schema_version") if isinstance(config, dict) else None
    if version != schema_version:
        raise ArtifactError(
            f"`schema_version` of artifact {folder} must be {schema_version}; got {version!r}; save it again with "
            "this version of trimtab."
        )
    for name, known in types.items():
        if name not in config or not isinstance(config[name], known):
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be {' or '.join(t.__name__ for t in known)}; got "
                f"{config.get(name, 'no such field')!r}; save the artifact again."
            )
    return cast(dict[str, Any], config)


def check_choices(folder: Path, config: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse fields whose value is none of the known ones.

    Raises:
        ArtifactError: With the known values.
    """
    for name, known in choices.items():
        if config[name] not in known:
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be one of {', '.join(map(str, known))}; got {config[name]!r}; use "
                "a version of trimtab that knows it."
            )


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Read an artifact's tensors.

    Raises:
        ArtifactError: The file is missing or broken.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(_read(folder / WEIGHTS))
    except SafetensorError as error:
        raise ArtifactError(
            f"`{WEIGHTS}` of artifact {folder} must be a safetensors file; it is broken ({error}); save the artifact "
            "again."
        ) from error


def check_model(name: str, made_for: tuple[str, str], model: Any) -> None:
    """Refuse another model than the one an artifact was made for.

    Args:
        name: The artifact.
        made_for: Name and fingerprint of the model it was made for.
        model: The model, which has a ``name`` and a ``fingerprint``.

    Raises:
        ArtifactError: The fingerprints differ.
    """
    if model.fingerprint != made_for[1]:
        same = " (other weights under one name, or an artifact of an earlier trimtab)"
        raise ArtifactError(
            f"`model` of artifact {name!r} must be the one it was fitted on, {made_for[0]} (fingerprint "
            f"{made_for[1]}); got {model.name} (fingerprint {model.fingerprint})"
            f"{same if model.name == made_for[0] else ''}; load that model, or fit the method on this one."
        )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"`{path.name}` of artifact {path.parent} must be a readable file; it is not ({error.strerror}); give the "
            "folder that save wrote."
        ) from error


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
