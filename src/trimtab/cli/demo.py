"""``trimtab demo``: the whole job on the bundled models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.early import check_model
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, Seed

if TYPE_CHECKING:
    from trimtab.studies import Plan


@loads
def demo(
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/demo, or runs/demo-fast, if left out.")] = None,
    seed: Seed = 0,
    fast: Annotated[bool, typer.Option("--fast", help="Fewer items and strengths: wide intervals, soon done.")] = False,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Measure both bundled models, fit and evaluate every method, and write a report.

    A demo that was stopped goes on where it was when the same command is run again.
    """
    from dataclasses import replace

    from trimtab.report import write_report
    from trimtab.studies import DEMO, FAST, read_summary, run_study
    from trimtab.studies.kit.run_folder import check_run_folder

    plan = loaded_as(replace(FAST if fast else DEMO, seed=seed), loading)
    home = out or Path("runs", "demo-fast" if fast else "demo")
    check_run_folder(home, "`--out`")
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


def loaded_as(plan: Plan, loading: Loading) -> Plan:
    """Return a study whose models are loaded as the command line says, or else as the plan does."""
    from dataclasses import replace

    places = {"device", "device_map"}
    kept = {k: v for k, v in plan.load.items() if k not in places or not places & set(loading)}
    return replace(plan, load={**kept, **loading})


TASK_LETTERS = 4
"""Letters of a task's name in a heading, so that a table of eight tasks fits a terminal of 80 columns."""


def print_study(summary: dict[str, Any]) -> None:
    """Print a study's tables and its verdict."""
    from trimtab.report import amps_against_l2s, following_tables, headline, paired_table

    for table in following_tables(summary):
        rows: list[list[str]] = []
        for line in table.lines:
            if line.first:
                rows += [[], [line.model]]
            cells = [cell.text for cell in line.cells]
            rows.append([f" {line.method}", *cells, f"{line.total.text} ({line.total.note})", line.collapse.text])
        print_table(
            f"Following the {table.target} ({table.protocol} protocol), in percent of {table.items} test items",
            ["", *(task[:TASK_LETTERS] for task in table.tasks), "total (95 %)", "coll."],
            rows[1:],
            gap=1,
        )
    lines = paired_table(summary, [("amps", "l2s")])
    if lines:
        print_table(
            "AMPS minus L2S on the same items, in percentage points",
            ["model", "protocol", "target", "difference", "95 % interval", "McNemar p", "Holm"],
            [[r.model, r.protocol, r.target, r.difference, r.interval, r.p, r.p_holm] for r in lines],
            left=3,
        )
        print_line(amps_against_l2s(summary))
    print_line(headline(summary))
    for r in summary["refused"]:
        print_line(f"Left out on {r['model']}: {r['method']} toward the {r['target']}: {r['reason']}")
