"""``trimtab study``: an experiment of any kind from its configuration file, whole or step by step."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.early import check_model
from trimtab.cli.inputs import say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, PlanOnly
from trimtab.cli.running import loaded_as, loads_aloud, run_plan, tell, tell_cost
from trimtab.cli.workers import Over, works
from trimtab.errors import UsageError

if TYPE_CHECKING:
    from trimtab.studies.kit.study import StudyPlan


@works
@loads
def study(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML file; recipes/ has some to copy.")],
    out: Annotated[
        Path | None, typer.Option(help="Run folder; runs/NAME, or with --fast runs/NAME-fast, if left out.")
    ] = None,
    show_steps: Annotated[
        bool,
        typer.Option("--list", help="Run nothing; list the steps by wave, what each one needs, and which are done."),
    ] = False,
    step: Annotated[
        list[str] | None,
        typer.Option(
            help="Run only this step; the steps that it needs must be done. Repeatable; other processes can run others."
        ),
    ] = None,
    fast: Annotated[
        bool,
        typer.Option(
            "--fast", help="Few items, and of seeds, layers, strengths and controls the fewest: wide intervals."
        ),
    ] = False,
    only_plan: PlanOnly = False,
    json: Json = False,
    *,
    loading: Loading,
    over: Over,
) -> None:
    """Run a study from its configuration file and write a report.

    Run the same command again to resume a study that was stopped. The field `kind` of the file says what is studied:
    steering (if left out), measurement, circuits, interference or hardening. Options given here override its `load`.
    """
    from trimtab.file_names import file_name
    from trimtab.studies import read_plan

    plan = loaded_as(read_plan(config), loading)
    home = out or Path("runs", file_name(getattr(plan, "name", config.stem)) + ("-fast" if fast else ""))
    if fast:
        plan = plan.fast()
    wanted = (("`--list`", show_steps), ("`--step`", bool(step)), ("`--plan`", only_plan))
    if len(given := [name for name, is_given in wanted if is_given]) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; got both; give one of them.")
    if over is not None and given:
        raise UsageError(f"`--workers` excludes {given[0]}, which works in this process; leave one of them out.")
    if only_plan:
        tell_cost(plan, home, json)
    elif show_steps:
        _list(plan, home, json)
    elif step:
        _run_steps(plan, home, step, json)
    else:
        found = run_plan(plan, home, over)
        skipped = found.summary.get("skipped")
        if isinstance(skipped, list):
            say_skipped(len({(row["split"], row["id"]) for row in skipped}), plan.data)
        tell(found, json)


def _list(plan: StudyPlan, home: Path, json: bool) -> None:
    from trimtab.studies import list_steps

    steps = list_steps(plan, home)
    if json:
        print_json({"run": str(home), "steps": [step._asdict() for step in steps]})
        return
    print_table(
        f"{sum(step.done for step in steps)} of {len(steps)} steps of {home} are done",
        ["wave", "step", "done", "needs"],
        [[str(step.wave), step.name, "yes" if step.done else "no", ", ".join(step.inputs)] for step in steps],
        left=4,
    )


def _run_steps(plan: StudyPlan, home: Path, names: list[str], json: bool) -> None:
    from trimtab.studies import run_steps, study_of
    from trimtab.studies.kit.run_folder import check_run_folder

    check_run_folder(home, "`--out`", shared=True)
    for name in study_of(plan).models():
        check_model(name, plan.load)
    with progress_bars() as bars:
        done = run_steps(plan, home, names, load=loads_aloud, progress=bars)
        found = dict(zip(names, done, strict=True))
    if json:
        done = {name: {"rows": len(result.table), "notes": result.notes} for name, result in found.items()}
        print_json({"run": str(home), "steps": done})
        return
    for name, result in found.items():
        print_line(f"Done: {name}, {len(result.table)} rows, {result.notes['seconds']:.1f} s")
