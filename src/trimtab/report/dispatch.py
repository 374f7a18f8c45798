"""``write_any_report``: the report of a run folder, whichever kind of run it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trimtab.errors import RunFolderError, TrimtabError, UsageError
from trimtab.report.circuits import write_circuits_report
from trimtab.report.interference import write_interference_report
from trimtab.report.measured import rewrite_measured
from trimtab.report.page import write_report
from trimtab.studies import read_summary
from trimtab.studies.circuits.run import KIND as CIRCUITS
from trimtab.studies.interference.ablation import STUDY as ABLATION
from trimtab.studies.interference.run import STUDY as INTERFERENCE

HARDENED = "harden.json"
"""The record in the folder of a hardened model."""


def write_any_report(run: str | Path) -> Path:
    """Write the report of a finished run of any kind: study, measurement, circuits or interference.

    Args:
        run: The run folder.

    Returns:
        The page.

    Raises:
        RunFolderError: The run is not finished, is of another version of trimtab, or cannot be written to.
        UsageError: Runs of its kind have no page.
    """
    run = Path(run)
    if (run / HARDENED).is_file():
        raise UsageError(
            f"`run` must be of a kind that has a page; {run} is a hardened model; what it can do is in its README.md."
        )
    summary = read_summary(run)
    write = _writer(run, summary)
    try:
        return write(run)
    except TrimtabError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise RunFolderError(
            f"`run` must hold the summary that trimtab wrote there; that of {run} is another or incomplete "
            f"({type(error).__name__}: {error}); run its command again, into a new folder."
        ) from error


def _writer(run: Path, summary: dict[str, Any]) -> Callable[[Path], Path]:
    """Tell the kind of a run: a study of steering goes by a name of its own, which may be that of another kind."""
    if "paired" in summary:
        return write_report
    if "ratios" in summary:
        return rewrite_measured
    kind = summary.get("study")
    if kind == ABLATION:
        raise UsageError(
            f"`run` must be of a kind that has a page; {run} is an ablation of hardening, which has its summary alone; "
            "read it with trimtab.studies.interference.read_ablation."
        )
    known = {CIRCUITS: write_circuits_report, INTERFERENCE: write_interference_report}
    if not isinstance(kind, str) or kind not in known:
        raise RunFolderError(
            f"`run` must be the folder of a finished run; the summary of {run} is of none that is known "
            f"(study: {kind!r:.100}); run its command again, into a new folder."
        )
    return known[kind]
