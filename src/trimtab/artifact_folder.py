"""The folder that any artifact is kept in: ``config.json``, ``weights.safetensors`` and a model card; no pickle."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from trimtab.artifact_checks import check_fields, check_tensors, without_gaps
from trimtab.errors import ArtifactError, UsageError
from trimtab.files import check_writable, recover, write_folder

if TYPE_CHECKING:
    from torch import Tensor

CONFIG, WEIGHTS, CARD = "config.json", "weights.safetensors", "README.md"

SCHEMA_VERSION = 2
"""2: with digests of the other files, and of the items fitted on. Version 1, which lacks them, can be read."""

DIGESTS = "digests"
"""Field of ``config.json``: SHA-256 of the other files."""

MOST_BYTES = {CONFIG: 2**24, WEIGHTS: 2**31, CARD: 2**24}
READS = 50
"""Times to look at an artifact that is being replaced."""


def write_artifact(
    folder: Path, config: Mapping[str, Any], tensors: Mapping[str, Tensor], card: Callable[[], str]
) -> Path:
    """Write an artifact's folder: all of it or nothing. An artifact already there is replaced whole.

    Args:
        folder: The folder.
        config: Plain data; a number in it that is not finite becomes null.
        tensors: Tensors by name.
        card: Writes the model card, once what it tells of is known to be plain data.

    Returns:
        The folder, as a whole path.

    Raises:
        ArtifactError: A tensor holds a number that is not finite, or ``config`` something that JSON does not know.
        UsageError: The folder holds something else.
        RunFolderError: The disk refuses, for example because it is full.
    """
    from safetensors.torch import save

    check_replaceable(folder)
    folder = folder.resolve()
    check_tensors(str(folder), tensors)
    try:
        plain = json.loads(json.dumps(without_gaps(config), allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(
            f"`options` and `metrics` of artifact {folder} must be plain data; they are not ({error}); make them "
            "numbers, texts, lists and mappings."
        ) from error
    others = {WEIGHTS: save(dict(tensors)), CARD: card().encode()}
    digests = {name: _digest(data) for name, data in others.items()}
    whole = {"schema_version": SCHEMA_VERSION, **plain, DIGESTS: digests}
    return write_folder(folder, {CONFIG: (json.dumps(whole, indent=2) + "\n").encode(), **others})


def check_replaceable(folder: str | Path, owner: str = "`folder` of save") -> None:
    """Refuse, before any work, a place where no artifact can be saved.

    Args:
        folder: It must be new, empty, or an artifact just as it was saved.
        owner: What the user calls it.

    Raises:
        UsageError: It holds something else, be it a model card that somebody changed.
        RunFolderError: It cannot be written to.
    """
    folder = Path(folder)
    check_writable(folder, owner)
    recover(folder)
    found = _foreign(folder)
    if found:
        raise UsageError(
            f"{owner} must be new, empty or an artifact as it was saved; {folder} holds something else ({found}); "
            "choose another."
        )


def read_artifact(
    folder: Path, types: Mapping[str, tuple[type, ...]], earlier: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read an artifact's ``config.json``, and the tensors that were saved with it.

    Args:
        folder: The artifact.
        types: The fields that must be there, with their types; there may be no others.
        earlier: What fields stand for in artifacts of version 1, which lack them.

    Returns:
        The fields named in ``types``, and the tensors by name.

    Raises:
        ArtifactError: A file is missing, broken, not the one that was saved, or of another schema; a field is missing,
            unknown or of another type; a tensor holds a number that is not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    config, weights = _read_together(folder)
    version = config.pop("schema_version")
    config.pop(DIGESTS, None)
    config = config if version == SCHEMA_VERSION else {**earlier, **config}
    check_fields(folder, config, types)
    try:
        tensors = load(weights)
    except (SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise ArtifactError(
            f"`{WEIGHTS}` of artifact {folder} must be a safetensors file; it is broken ({error}); save the artifact "
            "again."
        ) from error
    check_tensors(str(folder), tensors)
    return config, tensors


def read_config(folder: Path) -> dict[str, Any]:
    """Read an artifact's ``config.json``, of a schema that is known.

    Raises:
        ArtifactError: It is missing or broken, or of another schema.
    """
    recover(folder)
    return _parsed(folder, _read(folder / CONFIG))


def method_of(folder: Path) -> object:
    """Return what an artifact's configuration gives as its method; None where the folder has no configuration.

    Raises:
        ArtifactError: The configuration is broken, or of another schema.
    """
    return read_config(folder).get("method") if (folder / CONFIG).is_file() else None


def artifact_digest(folder: Path) -> str:
    """Return a digest of an artifact: of its configuration, which holds those of its other files.

    Raises:
        ArtifactError: It is missing.
    """
    return _digest(_read(folder / CONFIG))


def _read_together(folder: Path) -> tuple[dict[str, Any], bytes]:
    """Read configuration and weights, again for as long as they change because the artifact is being replaced."""
    recover(folder)
    for _ in range(READS):
        before = _read(folder / CONFIG)
        config = _parsed(folder, before)
        try:
            weights = _read(folder / WEIGHTS)
        except ArtifactError:
            if _read(folder / CONFIG) == before:
                raise
            continue
        if config["schema_version"] == 1 or config[DIGESTS].get(WEIGHTS) == _digest(weights):
            return config, weights
        if _read(folder / CONFIG) == before:
            raise ArtifactError(
                f"`{WEIGHTS}` of artifact {folder} must be the file that was saved with its `{CONFIG}`; it is broken "
                "or another one, by its digest; save the artifact again."
            )
    raise ArtifactError(f"artifact {folder} must not be replaced all the time while it is read; load it later.")


def _parsed(folder: Path, data: bytes) -> dict[str, Any]:
    try:
        config = json.loads(data, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise ArtifactError(
            f"`{CONFIG}` of artifact {folder} must be JSON; it is broken ({error}); save the artifact again."
        ) from error
    version = config.get("schema_version") if isinstance(config, dict) else None
    if type(version) is not int or not 1 <= version <= SCHEMA_VERSION:
        raise ArtifactError(
            f"`schema_version` of artifact {folder} must be 1 to {SCHEMA_VERSION}; got {version!r:.100}; save it again "
            "with this version of trimtab."
        )
    if version > 1 and not isinstance(config.get(DIGESTS), dict):
        raise ArtifactError(
            f"`{DIGESTS}` of artifact {folder} must be dict; got {config.get(DIGESTS, 'no such field')!r:.200}; save "
            "the artifact again."
        )
    return config


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _read(path: Path) -> bytes:
    """Read a plain file of bearable size; while its folder is put in place, wait for it."""
    for again in range(READS, -1, -1):
        try:
            return _bytes_of(path)
        except FileNotFoundError as error:
            if again and any(path.parent.parent.glob(f".{path.parent.name[:60]}.*.before")):
                time.sleep(0.01)
                continue
            raise _unreadable(path, error) from error
        except (OSError, ValueError) as error:
            raise _unreadable(path, error) from error
    raise AssertionError("the last time returns or raises")


def _bytes_of(path: Path) -> bytes:
    # Without blocking: opening a pipe would wait for somebody to write into it.
    with os.fdopen(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as file:
        found = os.fstat(file.fileno())
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is no plain file")
        if found.st_size > MOST_BYTES[path.name]:
            raise OSError(errno.EFBIG, f"it has {found.st_size} bytes, more than {MOST_BYTES[path.name]}")
        return file.read()


def _unreadable(path: Path, error: Exception) -> ArtifactError:
    if not os.path.lexists(path.parent):
        return ArtifactError(
            f"an artifact must be a folder that save wrote, with its `{CONFIG}`; there is no folder {path.parent}; "
            "give another one."
        )
    return ArtifactError(
        f"`{path.name}` of artifact {path.parent} must be a readable file; it is not "
        f"({getattr(error, 'strerror', None) or error}); give the folder that save wrote."
    )


def _foreign(folder: Path) -> str | None:
    """Name what in a folder is not an artifact's own; None if there is nothing of the kind."""
    if not os.path.lexists(folder):
        return None
    if not folder.is_dir():
        return "it is a file"
    names = {path.name for path in folder.iterdir()}
    others = sorted(names - {CONFIG, WEIGHTS, CARD})
    if others:
        return others[0]
    if not names:
        return None
    try:
        config = read_config(folder)
    except ArtifactError:
        return f"{sorted(names)[0]} without an artifact's {CONFIG}"
    if CARD in names and config["schema_version"] > 1 and config[DIGESTS].get(CARD) != _digest(_read(folder / CARD)):
        return f"{CARD}, which was changed"
    return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
