"""Reading what a finished run says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trimtab.errors import RunFolderError
from trimtab.studies.kit.run_folder import PROVENANCE, SUMMARY


def read_summary(run: str | Path) -> dict[str, Any]:
    """Read a run folder's ``summary.json``.

    Raises:
        RunFolderError: There is none, or it is broken.
    """
    return _read_json(Path(run) / SUMMARY)


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
        raise RunFolderError(
            f"`run` must be the folder of a finished study; {path} cannot be read ({error}); run the study's command "
            "again to finish it."
        ) from error
    return found
