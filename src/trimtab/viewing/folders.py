"""Which run folders there are below a folder, and their files.

Nothing here joins a name that somebody gave to a path: runs are found first, names are looked up among those found, and
of a run only files of known names are opened. A link is never followed, so what is read lies in the folder given.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from trimtab.errors import RunFolderError, UsageError
from trimtab.nearest import did_you_mean
from trimtab.report.page import PAGE
from trimtab.studies.kit.run_folder import CONFIG, CONTROLS, ITEMS, PROVENANCE, SUMMARY

DEPTH = 6
"""Folders are looked for at most so deep."""
MOST_FOLDERS = 20_000
"""Folders looked into: enough for years of runs, and an end where somebody gives a whole disk."""
KIND = b"kind:"
"""What the configuration of a run begins with."""
TABLES = {"items": ITEMS, "controls": CONTROLS}
"""The tables of answers that a run can have, by the name that pages call them."""
LARGEST_CONFIG, LARGEST_TEXT = 2**20, 2**26
"""Bytes: no configuration that trimtab wrote is larger, nor any summary or report."""


@dataclass(frozen=True)
class RunEntry:
    """A run folder that was found.

    Attributes:
        name: Its path below the folder that is looked through, with ``/``; ``.`` for that folder itself.
        path: The folder.
    """

    name: str
    path: Path

    @property
    def shown(self) -> str:
        """Its name as a page has it: names of files need not be text."""
        name = self.path.name if self.name == "." else self.name
        return name.encode("utf-8", "replace").decode()

    def file(self, name: str) -> Path | None:
        """Return a file of the folder if it is there and a file of its own: no link, no device."""
        path = self.path / name
        try:
            return path if stat.S_ISREG(path.lstat().st_mode) else None
        except (OSError, ValueError):
            return None

    def text(self, name: str) -> bytes | None:
        """Return what a file of the folder holds; None if there is none.

        Raises:
            RunFolderError: It cannot be read, or is larger than any that trimtab writes.
        """
        path = self.file(name)
        if path is None:
            return None
        try:
            with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
                content = file.read(LARGEST_TEXT + 1)
        except OSError as error:
            raise RunFolderError(f"{name} of run {self.shown!r} cannot be read ({error.strerror}).") from error
        if len(content) > LARGEST_TEXT:
            raise RunFolderError(
                f"{name} of run {self.shown!r} must be at most {LARGEST_TEXT // 2**20} MiB to be shown; it is larger."
            )
        return content

    @property
    def finished(self) -> bool:
        """Whether it has a summary."""
        return self.file(SUMMARY) is not None

    @property
    def report(self) -> bool:
        """Whether it has a report."""
        return self.file(PAGE) is not None

    def tables(self) -> list[str]:
        """Return the names of its tables of answers."""
        return [name for name, file in TABLES.items() if self.file(file) is not None]

    def table(self, name: str) -> Path:
        """Return the file of a table of answers.

        Raises:
            UsageError: It has none of that name.
        """
        path = self.file(TABLES[name]) if name in TABLES else None
        if path is None:
            has = ", ".join(self.tables()) or "none"
            raise UsageError(f"`table` must be one that run {self.shown!r} has ({has}); got {name!r:.100}.")
        return path

    def config(self) -> dict[str, Any]:
        """Return its configuration; empty if that cannot be read."""
        content = self.text(CONFIG)
        if content is None or len(content) > LARGEST_CONFIG:
            return {}
        try:
            found = yaml.safe_load(content)
        except (ValueError, RecursionError, yaml.YAMLError):
            return {}
        return found if isinstance(found, dict) else {}

    def steps(self) -> int:
        """Count its finished steps."""
        home = self.path / "steps"
        walked = () if home.is_symlink() else os.walk(home)
        return sum(name.endswith(".parquet") for _, _, files in walked for name in files)

    def changed(self) -> float:
        """Return when its summary, or else its configuration, was last written, in seconds since 1970."""
        path = self.file(SUMMARY) or self.file(CONFIG)
        return 0.0 if path is None else path.stat().st_mtime


class RunFolders:
    """The run folders below a folder.

    Attributes:
        root: The folder, without links in its path.
    """

    def __init__(self, root: str | Path) -> None:
        """Look through a folder.

        Raises:
            UsageError: It is no folder.
        """
        self.root = Path(root)
        if not self.root.is_dir():
            raise UsageError(f"`FOLDER` of view must be an existing folder; got '{root}'; give one that holds runs.")
        self.root = self.root.resolve()
        self._found: dict[str, RunEntry] = {}

    def all(self) -> list[RunEntry]:
        """List all runs that are there now, by name."""
        found = (self._entry(path) for path in self._folders())
        listed = sorted((one for one in found if one is not None), key=lambda one: one.name)
        self._found = {one.name: one for one in listed}
        return listed

    def named(self, name: str, owner: str = "`run`") -> RunEntry:
        """Return the run of a name.

        Args:
            name: As ``RunEntry.name`` has it.
            owner: What the page calls it.

        Raises:
            UsageError: There is none.
        """
        own = self._found.get(name)
        # Found before: it is looked for again only if it has gone, or a link has taken its place.
        if own is None or own.path.resolve() != own.path or self._entry(own.path) is None:
            self.all()
            own = self._found.get(name)
        if own is None:
            near = did_you_mean(name, self._found, "go back to the list of runs")
            raise UsageError(f"{owner} must be one of the {len(self._found)} runs here; got {name!r:.200}{near}")
        return own

    def _folders(self) -> Iterator[Path]:
        """Yield the folder and those below it; none inside of a run, none behind a link, none that is hidden."""
        for seen, (here, folders, files) in enumerate(os.walk(self.root)):
            yield Path(here)
            deep = len(Path(here).relative_to(self.root).parts)
            if seen >= MOST_FOLDERS or deep >= DEPTH or {CONFIG, SUMMARY} & set(files):
                folders.clear()
            folders[:] = sorted(name for name in folders if not name.startswith("."))

    def _entry(self, path: Path) -> RunEntry | None:
        entry = RunEntry(path.relative_to(self.root).as_posix(), path)
        if entry.finished:
            return entry
        config = entry.file(CONFIG)
        try:
            if config is not None:
                with config.open("rb") as file:
                    return entry if file.read(len(KIND)) == KIND else None
        except OSError:
            pass  # what cannot be read is not shown
        return None


def provenance_of(run: RunEntry) -> dict[str, Any]:
    """Return what a run was made with; empty if it does not say."""
    from trimtab.studies import read_provenance

    if run.file(PROVENANCE) is None:
        return {}
    try:
        return read_provenance(run.path)
    except RunFolderError:
        return {}


def summary_of(run: RunEntry) -> dict[str, Any]:
    """Return a run's summary.

    Raises:
        RunFolderError: It has none that can be read, or is of no known kind or version.
    """
    from trimtab.studies import read_summary

    if run.file(SUMMARY) is None:
        raise RunFolderError(f"run {run.shown!r} must be finished; it has no {SUMMARY}; run its command again.")
    return read_summary(run.path)
