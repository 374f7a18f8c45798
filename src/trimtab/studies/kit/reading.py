"""Reading what a finished run says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trimtab.errors import RunFolderError, UsageError
from trimtab.nearest import did_you_mean_path
from trimtab.studies.kit.run_folder import PROVENANCE, SUMMARY
from trimtab.studies.kit.study import kinds


def read_summary(run: str | Path, kind: str | None = None) -> dict[str, Any]:
    """Read a run folder's ``summary.json``, of any kind of study; those of earlier versions in today's form.

    Args:
        run: The folder.
        kind: The kind that is wanted; left out, any.

    Raises:
        RunFolderError: There is none, it is broken, or it is of no known kind or version.
        UsageError: It is of another kind.
    """
    found = _upgraded(run, _read_json(Path(run) / SUMMARY))
    if kind is not None and found["kind"] != kind:
        raise UsageError(f"`run` must be the folder of a study of kind {kind!r}; {run} is of kind {found['kind']!r}.")
    return found


def _upgraded(run: str | Path, summary: dict[str, Any]) -> dict[str, Any]:
    known = kinds()
    own = known.get(str(summary.get("kind")))
    if own is not None and summary.get("schema_version") == own.schema_version:
        return summary
    for study in known.values() if own is None else [own]:
        found = study.upgraded(summary)
        if found is not None:
            return found
    wanted = ", ".join(f"{name} {study.schema_version}" for name, study in known.items())
    raise RunFolderError(
        f"`run` must be the folder of a finished run of a kind and schema version that are known ({wanted}); the "
        f"summary of {run} is of kind {summary.get('kind')!r:.100}, version {summary.get('schema_version')!r:.100}; "
        "run its command again, into a new folder."
    )


def read_provenance(run: str | Path) -> dict[str, Any]:
    """Read a run folder's ``provenance.json``.

    Raises:
        RunFolderError: There is none, or it is broken.
    """
    return _read_json(Path(run) / PROVENANCE)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict):
            raise ValueError(f"it holds a {type(found).__name__}")
    except (OSError, ValueError, RecursionError) as error:
        unfinished, run = "run the study's command again to finish it", path.parent
        meant = did_you_mean_path(run, lambda one: (one / SUMMARY).is_file(), "check the path")
        raise RunFolderError(
            f"`run` must be the folder of a finished study; {path} cannot be read ({error})"
            + (f"; {unfinished}." if run.is_dir() else meant)
        ) from error
    return found
