"""``trimtab report``: write a run folder's report again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.console import print_json, print_line
from trimtab.cli.options import Json


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a finished run.")],
    json: Json = False,
) -> None:
    """Write the report of a run of any kind: one self-contained HTML page, and its figures as PNG."""
    from trimtab.report import write_report

    page = write_report(run)
    if json:
        figures = sorted(str(path) for path in (run / "figures").glob("*.png"))
        print_json({"report": str(page), "figures": figures})
    else:
        print_line(str(page))
