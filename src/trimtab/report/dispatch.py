"""``write_report``: the report of a run folder, whichever kind of run it is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from trimtab.errors import RunFolderError, TrimtabError, UsageError
from trimtab.report.circuits import write_circuits_report
from trimtab.report.interference import write_interference_report
from trimtab.report.measured import write_measured
from trimtab.report.page import write_steering_report
from trimtab.studies import read_summary

WRITERS: dict[str, Callable[[Path], Path]] = {
    "steering": write_steering_report,
    "measurement": write_measured,
    "circuits": write_circuits_report,
    "interference": write_interference_report,
}

HARDENED = "harden.json"
"""The record in the folder of a hardened model."""


def has_report(kind: str) -> bool:
    """Whether runs of a kind have a page."""
    return kind in WRITERS


def write_report(run: str | Path) -> Path:
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
    kind = read_summary(run)["kind"]
    if kind not in WRITERS:
        raise UsageError(
            f"`run` must be of a kind that has a page ({', '.join(WRITERS)}); {run} is of kind {kind!r}, which has its "
            "summary alone; read it with trimtab.studies.read_summary."
        )
    try:
        return WRITERS[kind](run)
    except TrimtabError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise RunFolderError(
            f"`run` must hold the summary that trimtab wrote there; that of {run} is another or incomplete "
            f"({type(error).__name__}: {error}); run its command again, into a new folder."
        ) from error
