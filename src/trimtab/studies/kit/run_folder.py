"""The run folder: a study's results on disk, step by step, so that a killed study goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from trimtab.errors import RunFolderError, UsageError
from trimtab.file_names import file_name
from trimtab.files import check_writable, is_temporary, write_whole
from trimtab.locks import LOCK, FileLock, FolderLock
from trimtab.studies.kit import provenance

if TYPE_CHECKING:
    from pandas import DataFrame

CONFIG = "config.yaml"
SUMMARY = "summary.json"
PROVENANCE = "provenance.json"
ITEMS = "items.parquet"
CONTROLS = "controls.parquet"

STAMP = ("step", "config", "made_with")
"""Notes of every step: its name, the digest of the folder's configuration, and the versions that computed it."""


class StepResult(NamedTuple):
    """What a step computed: a table, and notes about the work (plain data)."""

    table: DataFrame
    notes: dict[str, Any]

    @property
    def own_notes(self) -> dict[str, Any]:
        """The notes of its work, without those that the run folder adds: time, and what it was computed with."""
        return {name: value for name, value in self.notes.items() if name not in (*STAMP, "seconds")}

    @classmethod
    def nothing(cls) -> StepResult:
        """Return what a step found that had nothing to do."""
        from pandas import DataFrame

        return cls(DataFrame(), {})


def joined(steps: Iterable[StepResult]) -> DataFrame:
    """Return the rows of several steps as one table."""
    from pandas import DataFrame, concat

    tables = []
    for step in steps:
        step.table.attrs = {}
        if len(step.table.columns):
            tables.append(step.table)
    return concat(tables, ignore_index=True) if tables else DataFrame()


class RunFolder:
    """A folder that belongs to one resolved configuration, one version of the code, and one process at a time.

    A step is written to a temporary file that then takes its name, so it is there whole or not at all; a step that
    is there is read and never computed again. Use it as a context manager, or ``close`` it: until then, or until the
    process ends, nobody else can open the folder. Opened as ``shared``, several processes may work in it, each on
    steps of its own.

    Attributes:
        path: The folder.
        config: The resolved configuration.
    """

    def __init__(self, path: str | Path, config: dict[str, Any], *, shared: bool = False) -> None:
        """Create the folder, or go on in it.

        Args:
            path: The folder.
            config: What all its steps are computed with, as plain data.
            shared: Let other processes work in it that also share it.

        Raises:
            RunFolderError: It belongs to another configuration, has steps of another version of trimtab or of what it
                stands on, is another kind of folder, is in use, or cannot be written to.
        """
        self.path = Path(path)
        self.config = json.loads(json.dumps(config))
        self.made_with = provenance.made_with()
        self._pinned: dict[str, Any] = {}
        check_run_folder(self.path, shared=shared)
        self._lock = FolderLock(self.path, shared=shared)
        try:
            found = self.path / CONFIG
            if found.is_file():
                _check_same(self.path, _read_config(found), self.config)
                self._check_versions()
            else:
                self.write(CONFIG, yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let other processes write to the folder."""
        self._lock.release()

    def __enter__(self) -> RunFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pin(self, name: str, facts: dict[str, Any]) -> None:
        """Keep facts about a part of the folder, such as a model, or check that they are the ones that are kept.

        Args:
            name: The part.
            facts: What must stay the same, as plain data.

        Raises:
            RunFolderError: Others are kept.
        """
        facts = json.loads(json.dumps(facts))
        path = self._pin_path(name)
        if path.is_file():
            _check_same(self.path, {"models": {name: _read_config(path)}}, {"models": {name: facts}})
        else:
            self.write(path.relative_to(self.path).as_posix(), yaml.safe_dump(facts, sort_keys=False))
        self._pinned[name] = facts

    def step(self, name: str, compute: Callable[[], StepResult], part: str | None = None) -> StepResult:
        """Return a finished step, or compute and store it.

        Args:
            name: Its name, ``/`` between parts; it becomes ``steps/<name>.parquet``.
            compute: Does the work. Its notes get ``seconds``, the wall time it took, and ``STAMP``.
            part: The part that it belongs to, whose facts were pinned.

        Raises:
            RunFolderError: It cannot be written or, if it is there, cannot be read or is another step.
            UsageError: The name would leave the folder.
        """
        path = step_path(self.path, name)
        if not path.is_file():
            started = time.perf_counter()
            table, notes = compute()
            stamp = dict(zip(STAMP, (name, self._digest(part), self.made_with), strict=True))
            table.attrs["notes"] = {**notes, "seconds": round(time.perf_counter() - started, 3), **stamp}
            self.write(f"steps/{name}.parquet", lambda part: table.to_parquet(part, index=False))
        # Also a fresh step is read back, so that a resumed study sees exactly what an unbroken one sees.
        return self.read(name, part)

    def read(self, name: str, part: str | None = None) -> StepResult:
        """Read a finished step.

        Raises:
            RunFolderError: It cannot be read, or is another step.
        """
        path, digest = step_path(self.path, name), self._digest(part)
        found = read_step(path)
        if (found.notes.get("step"), found.notes.get("config")) != (name, digest):
            raise RunFolderError(
                f"step {path} of the run folder must be {name!r} of this configuration; it is "
                f"{found.notes.get('step')!r} of configuration {found.notes.get('config')}, and this one has "
                f"{digest}; delete it to compute it again."
            )
        return found

    def step_lock(self, name: str) -> FileLock:
        """Take a step, so that no other process that shares the folder computes it too.

        Raises:
            RunFolderError: Another process computes it.
        """
        path = step_path(self.path, name)
        return FileLock(
            path.with_name(f".{path.stem}.lock"),
            f"step {name!r}",
            lambda holder: (
                f"step {name!r} must be computed by one process at a time; in {self.path} it is taken by {holder}; "
                "wait until that ends, or run another step."
            ),
        )

    def _digest(self, part: str | None) -> str:
        """Digest what a step is computed with: the configuration, and the facts of the part it belongs to."""
        facts = self.config
        if part is not None:
            if part not in self._pinned:
                self._pinned[part] = _read_config(self._pin_path(part))
            facts = {**self.config, "part": self._pinned[part]}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]

    def _pin_path(self, name: str) -> Path:
        return self.path / "pinned" / f"{file_name(name)}.yaml"

    def steps(self) -> dict[str, dict[str, Any]]:
        """Return the notes of all finished steps, by name."""
        home = self.path / "steps"
        paths = sorted(home.rglob("*.parquet"))
        return {path.relative_to(home).with_suffix("").as_posix(): read_notes(path) for path in paths}

    def write(self, name: str, content: bytes | str | Callable[[Path], object]) -> Path:
        """Write a file of the folder, whole or not at all; see ``trimtab.files.write_whole``."""
        return write_whole(self.path / name, content)

    def _check_versions(self) -> None:
        for name, notes in self.steps().items():
            theirs = notes.get("made_with")
            theirs = theirs if isinstance(theirs, dict) else {}
            for what, ours in self.made_with.items():
                if theirs.get(what) != ours:
                    raise RunFolderError(
                        f"`out` must be a new folder or a run of the same code; {self.path} has step {name!r} computed "
                        f"with {what} {theirs.get(what, 'unknown')}, this is {what} {ours}; choose another folder, or "
                        "go on with the version that began it."
                    )


def step_path(folder: str | Path, name: str) -> Path:
    """Return the file of a step.

    Raises:
        UsageError: The name would leave the folder.
    """
    if any(part in ("", ".", "..") or "\0" in part or "\\" in part for part in name.split("/")):
        raise UsageError(f"`name` of a step must be the name of a file in the run folder; got {name!r}; change it.")
    return Path(folder) / "steps" / f"{name}.parquet"


def has_step(folder: str | Path, name: str) -> bool:
    """Whether a step is finished."""
    return step_path(folder, name).is_file()


def check_belongs(path: str | Path, config: dict[str, Any]) -> None:
    """Refuse a folder of a run of which some field of a configuration is another; one that is not there is fine.

    Raises:
        RunFolderError: Naming the field.
    """
    found = Path(path) / CONFIG
    if found.is_file():
        theirs = _read_config(found)
        own = {key: theirs.get(key) for key in config} if isinstance(theirs, dict) else {}
        _check_same(Path(path), own, json.loads(json.dumps(config)))


def check_run_folder(path: str | Path, owner: str = "`out`", *, shared: bool = False) -> None:
    """Refuse, before any work, a place where no run can be kept.

    Args:
        path: The folder, which may not be there yet.
        owner: What the user calls it.
        shared: Whether other processes may be working in it, on other steps.

    Raises:
        RunFolderError: It is another kind of folder, is in use, or cannot be written to.
    """
    path = Path(path)
    check_writable(path, owner)
    if not os.path.lexists(path):
        return
    if (path / CONFIG).is_file():
        FolderLock(path, owner, shared=shared).release()
        return
    if not path.is_dir() or any(p.name != LOCK and not is_temporary(p) for p in path.iterdir()):
        raise RunFolderError(
            f"{owner} must be a new folder or an earlier run; {path} is there and holds no {CONFIG}; choose another "
            "folder."
        )


def read_step(path: Path) -> StepResult:
    """Read a stored step.

    Raises:
        RunFolderError: The file is broken.
    """
    from pandas import read_parquet

    try:
        table = read_parquet(path)
        return StepResult(table, dict(table.attrs["notes"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, error) from error


def read_notes(path: Path) -> dict[str, Any]:
    """Read the notes of a stored step alone, without its table.

    Raises:
        RunFolderError: The file is broken.
    """
    import pyarrow.parquet as parquet

    try:
        return dict(json.loads((parquet.read_schema(path).metadata or {})[b"PANDAS_ATTRS"])["notes"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _broken(path, error) from error


def _broken(path: Path, error: Exception) -> RunFolderError:
    reason = str(error).splitlines()[0] if str(error) else type(error).__name__
    return RunFolderError(
        f"step {path} of the run folder must be readable; it is not ({reason}); delete it to compute it again."
    )


def _read_config(path: Path) -> object:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise RunFolderError(
            f"`out` must hold a readable {CONFIG}; {path} is not ({error}); delete the folder or choose another."
        ) from error


def _check_same(path: Path, found: object, wanted: dict[str, Any]) -> None:
    different = _difference("", found if isinstance(found, dict) else {}, wanted)
    if different is None:
        return
    name, theirs, ours = different
    raise RunFolderError(
        f"`out` must be a new folder or one of the same configuration; {path} has {name}={theirs!r:.300}, this "
        f"run has {name}={ours!r:.300}; choose another folder, or delete that one."
    )


def _difference(name: str, theirs: object, ours: object) -> tuple[str, Any, Any] | None:
    """Return the first field that differs, with its full name and both values; None if none does."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in {**ours, **theirs}:
            found = _difference(f"{name}.{key}" if name else str(key), theirs.get(key), ours.get(key))
            if found is not None:
                return found
        return None
    return None if theirs == ours or repr(theirs) == repr(ours) else (name, theirs, ours)  # NaN is itself here
