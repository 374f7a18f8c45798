"""``write_report``: a finished run of any kind as one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trimtab.errors import RunFolderError, TrimtabError, UsageError
from trimtab.files import write_whole
from trimtab.report.registering import Run, sections_of
from trimtab.studies import kinds, read_provenance, read_summary

PAGE = "report.html"
HARDENED = "harden.json"
"""The record in the folder of a hardened model."""


def write_report(run: str | Path) -> Path:
    """Write the report of a finished run of any kind: one page, which needs no other file, and its figures as PNG.

    Args:
        run: The run folder.

    Returns:
        The page.

    Raises:
        RunFolderError: The run is not finished, is of another version of trimtab, or cannot be written to.
        UsageError: It is a hardened model, whose page is its README.md.
    """
    run = Path(run)
    if (run / HARDENED).is_file():
        raise UsageError(
            f"`run` must be of a kind that has a page; {run} is a hardened model; what it can do is in its README.md."
        )
    seen = Run(run, read_summary(run), read_provenance(run))
    try:
        page = _rendered(seen)
    except TrimtabError:
        raise
    except (LookupError, TypeError, AttributeError, ValueError, AssertionError) as error:
        raise RunFolderError(
            f"`run` must hold the summary that trimtab wrote there; that of {run} is another or incomplete "
            f"({type(error).__name__}: {error}); run its command again, into a new folder."
        ) from error
    return write_whole(run / PAGE, page.encode())


def script() -> str:
    """Return the script of every report, which lets tables be sorted; reports have no other."""
    return (Path(__file__).parent / "templates" / "sort.js").read_text(encoding="utf-8")


def _rendered(run: Run) -> str:
    """Render the sections of the run's kind, each that has something to show, into the page."""
    from jinja2 import Environment, PackageLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(loader=PackageLoader("trimtab.report"), autoescape=True, undefined=StrictUndefined)
    kind = run.summary["kind"]
    parts: list[Markup] = []
    title = kind
    for section in sections_of(kind, kinds().named(kind).sections):
        values = section.values(run)
        if values is None:
            continue
        title = values.get("title", title)
        known: dict[str, Any] = {"summary": run.summary, "provenance": run.provenance, **values}
        parts.append(Markup(environment.from_string(section.template).render(known)))
    return environment.get_template("page.html.j2").render(title=title, parts=parts, script=Markup(script()))
