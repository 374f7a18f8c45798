"""What can be refused before any work begins, the cheapest first."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from trimtab.errors import ArtifactError, MissingDependencyError, RunFolderError, UsageError

CONFIG = "config.yaml"
"""The file that makes a folder a run's, as ``trimtab.study.run_folder`` writes it."""


def check_model(name: str, loading: Mapping[str, Any]) -> None:
    """Refuse a model that is nowhere, or a device that this machine does not have.

    Raises:
        UsageError: Saying which, and what there is.
    """
    from trimtab.models.source import find

    find(name, **{key: loading[key] for key in ("revision", "local_files_only") if key in loading})
    if "device" in loading:
        _check_device(loading["device"])


def _check_device(wanted: str) -> None:
    import torch

    try:
        torch.empty(0, device=torch.device(wanted))
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{i}" for i in range(torch.cuda.device_count()))]
        raise UsageError(
            f"`--device` must be a device of this machine ({', '.join(there)}); got {wanted!r}; choose one of these."
        ) from error


def check_artifacts(folders: Iterable[Path]) -> None:
    """Refuse folders that hold no artifact.

    Raises:
        ArtifactError: Naming the first.
    """
    for folder in folders:
        if not (folder / "config.json").is_file():
            found = "is a file" if folder.is_file() else "holds none" if folder.is_dir() else "is not there"
            raise ArtifactError(f"`--artifact` must be the folder of an artifact; {folder} {found}; check the path.")


def check_out_file(path: Path | None, name: str = "--out") -> None:
    """Refuse a file that cannot be written.

    Args:
        path: The file.
        name: What it is called in the error.

    Raises:
        RunFolderError: Saying why.
    """
    if path is None:
        return
    if path.is_dir():
        raise RunFolderError(f"`{name}` must be a file; {path} is a folder; give the file a name.")
    _check_writable(path.parent, path, name)


def check_out_folder(path: Path | None, own: str | None = None) -> None:
    """Refuse a folder that cannot be made or written to, or that holds something else.

    Args:
        path: The folder.
        own: A file that is there if the folder is an earlier run, in which the verb may go on.

    Raises:
        RunFolderError: Saying why.
    """
    if path is None:
        return
    if path.exists() and not path.is_dir():
        raise RunFolderError(f"`--out` must be a folder; {path} is a file; choose another name.")
    if own is not None and path.is_dir() and not (path / own).exists() and any(path.iterdir()):
        raise RunFolderError(
            f"`--out` must be a new folder or an earlier run; {path} is there without {own}; choose another folder."
        )
    _check_writable(path, path, "--out")


def _check_writable(folder: Path, path: Path, name: str) -> None:
    """Try to write to a folder, or to the nearest one above it that is there."""
    home = next(place for place in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(place))
    try:
        if not home.is_dir():
            raise NotADirectoryError(20, f"{home} is not a folder")
        with tempfile.TemporaryFile(dir=home):
            pass
    except OSError as error:
        raise RunFolderError(
            f"`{name}` must be a place that can be written to; {path} is not ({error.strerror}); choose another place."
        ) from error


def check_package(package: str, extra: str) -> None:
    """Refuse work that needs a package that is not installed.

    Raises:
        MissingDependencyError: With the command that installs it.
    """
    if find_spec(package) is None:
        raise MissingDependencyError(f"{package} is needed and not installed; run: pip install 'trimtab[{extra}]'.")
