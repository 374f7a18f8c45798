"""``trimtab study``: an experiment from its configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.console import print_json, print_line, progress_bars
from trimtab.cli.demo import loaded_as, print_study
from trimtab.cli.early import check_model
from trimtab.cli.inputs import say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json


@loads
def study(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; recipes/ has some to copy.")],
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/NAME if left out.")] = None,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Run a study from its configuration and write a report; options here go before its `load`.

    A study that was stopped goes on where it was when the same command is run again.
    """
    from trimtab.file_names import file_name
    from trimtab.report import write_report
    from trimtab.studies import read_plan, read_summary, run_study
    from trimtab.studies.kit.run_folder import check_run_folder

    plan = loaded_as(read_plan(config), loading)
    home = out or Path("runs", file_name(plan.name))
    check_run_folder(home, "`--out`")
    for name in plan.models:
        check_model(name, plan.load)
    with progress_bars() as bars:
        run = run_study(plan, home, progress=bars)
        page = write_report(run)
    summary = read_summary(run)
    say_skipped(len({(row["split"], row["id"]) for row in summary["skipped"]}), plan.data)
    if json:
        print_json({"run": str(run), "report": str(page), "summary": summary})
        return
    print_study(summary)
    print_line(f"Report: {page}")
