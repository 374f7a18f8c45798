"""``trimtab study``: an experiment from its configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.console import print_json, print_line, progress_bars
from trimtab.cli.demo import print_study
from trimtab.cli.early import CONFIG, check_model, check_out_folder
from trimtab.cli.options import Json


def study(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; recipes/ has some to copy.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if left out.")] = None,
    json: Json = False,
) -> None:
    """Run a study from its configuration and write a report.

    A study that was stopped goes on where it was when the same command is run again.
    """
    from trimtab.report import write_report
    from trimtab.study import read_plan, read_summary, run_study

    plan = read_plan(config)
    home = out or Path("runs", plan.name)
    check_out_folder(home, own=CONFIG)
    for name in plan.models:
        check_model(name, plan.load)
    with progress_bars() as bars:
        run = run_study(plan, home, progress=bars)
        page = write_report(run)
    summary = read_summary(run)
    if json:
        print_json({"run": str(run), "report": str(page), "summary": summary})
        return
    print_study(summary)
    print_line(f"Report: {page}")
