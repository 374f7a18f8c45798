"""The run folder: a study's results on disk, step by step, so that a killed study goes on where it stopped."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from trimtab.errors import RunFolderError

if TYPE_CHECKING:
    from pandas import DataFrame

CONFIG = "config.yaml"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
ITEMS = "items.parquet"
CONTROLS = "controls.parquet"


class StepResult(NamedTuple):
    """What a step computed: a table, and notes about the work (plain data)."""

    table: DataFrame
    notes: dict[str, Any]


class RunFolder:
    """A folder that belongs to one resolved configuration.

    A step is written to a temporary file that then takes its name, so it is there whole or not at all; a step that
    is there is read and never computed again.

    Attributes:
        path: The folder.
        config: The resolved configuration.
    """

    def __init__(self, path: str | Path, config: dict[str, Any]) -> None:
        """Create the folder, or go on in it.

        Raises:
            RunFolderError: It belongs to another configuration, is another kind of folder, or cannot be written to.
        """
        self.path = Path(path)
        self.config = json.loads(json.dumps(config))
        found = self.path / CONFIG
        if found.is_file():
            _check_same(self.path, _read_config(found), self.config)
            return
        if self.path.exists() and (not self.path.is_dir() or any(self.path.iterdir())):
            raise RunFolderError(
                f"`out` must be a new folder or an earlier run; {self.path} is there and holds no {CONFIG}; "
                "choose another folder."
            )
        self.write(CONFIG, yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))

    def step(self, name: str, compute: Callable[[], StepResult]) -> StepResult:
        """Return a finished step, or compute and store it.

        Args:
            name: Its name, ``/`` between parts; it becomes ``steps/<name>.parquet``.
            compute: Does the work. Its notes get ``seconds``, the wall time it took.

        Raises:
            RunFolderError: It cannot be written or, if it is there, cannot be read.
        """
        path = self.path / "steps" / f"{name}.parquet"
        if not path.is_file():
            started = time.perf_counter()
            table, notes = compute()
            table.attrs["notes"] = {**notes, "seconds": round(time.perf_counter() - started, 3)}
            self.write(f"steps/{name}.parquet", lambda part: table.to_parquet(part, index=False))
        # Also a fresh step is read back, so that a resumed study sees exactly what an unbroken one sees.
        return read_step(path)

    def steps(self) -> dict[str, dict[str, Any]]:
        """Return the notes of all finished steps, by name."""
        home = self.path / "steps"
        paths = sorted(home.rglob("*.parquet"))
        return {str(path.relative_to(home).with_suffix("")): read_step(path).notes for path in paths}

    def write(self, name: str, content: bytes | str | Callable[[Path], None]) -> Path:
        """Write a file of the folder, whole or not at all; see ``write_whole``."""
        return write_whole(self.path / name, content)


def write_whole(path: Path, content: bytes | str | Callable[[Path], None]) -> Path:
    """Write a file under a temporary name that then takes its name, so it is there whole or not at all.

    Args:
        path: The file.
        content: Its content; or a function that writes it to the temporary path it is given.

    Raises:
        RunFolderError: It cannot be written; what was there before is unchanged.
    """
    part = path.with_name(f"{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            content(part)
        else:
            _write_bytes(part, content.encode() if isinstance(content, str) else content)
        part.replace(path)
    except OSError as error:
        _remove(part)
        raise RunFolderError(
            f"`out` must be a place with room to write to; writing {path} failed ({error.strerror or error}); free "
            "some space and run the same command again: a study keeps its finished steps."
        ) from error
    return path


def read_step(path: Path) -> StepResult:
    """Read a stored step.

    Raises:
        RunFolderError: The file is broken.
    """
    from pandas import read_parquet

    try:
        table = read_parquet(path)
        return StepResult(table, table.attrs["notes"])
    except (OSError, ValueError, KeyError) as error:
        raise RunFolderError(
            f"step {path} of the run folder must be readable; it is not ({error}); delete it to compute it again."
        ) from error


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _remove(part: Path) -> None:
    try:
        part.unlink(missing_ok=True)
    except OSError:
        return  # the disk that refused the write refuses this too; the first error is the one to tell


def _read_config(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise RunFolderError(
            f"`out` must hold a readable {CONFIG}; {path} is not ({error}); delete the folder or choose another."
        ) from error


def _check_same(path: Path, found: Any, wanted: dict[str, Any]) -> None:
    if found == wanted:
        return
    theirs = found if isinstance(found, dict) else {}
    key = next(k for k in [*wanted, *theirs, ""] if theirs.get(k) != wanted.get(k) or k == "")
    raise RunFolderError(
        f"`out` must be a new folder or one of the same configuration; {path} has {key}={theirs.get(key)!r}, this "
        f"run has {key}={wanted.get(key)!r}; choose another folder, or delete that one."
    )
