"""``trimtab demo``: the whole job on the pocket models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, PlanOnly, Seed
from trimtab.cli.running import loaded_as, run_plan, tell, tell_cost
from trimtab.cli.workers import Over, works


@works
@loads
def demo(
    out: Annotated[Path | None, typer.Option(help="Run folder; runs/demo, or runs/demo-fast, if left out.")] = None,
    seed: Seed = 0,
    fast: Annotated[
        bool, typer.Option("--fast", help="Use fewer items and strengths: faster, with wider intervals.")
    ] = False,
    only_plan: PlanOnly = False,
    json: Json = False,
    *,
    loading: Loading,
    over: Over,
) -> None:
    """Measure both pocket models, fit and evaluate five steering methods, and write a report.

    Run the same command again to resume a demo that was stopped.
    """
    from dataclasses import replace

    from trimtab.studies import DEMO, FAST

    plan = loaded_as(replace(FAST if fast else DEMO, seed=seed), loading)
    home = out or Path("runs", "demo-fast" if fast else "demo")
    if only_plan:
        tell_cost(plan, home, json)
    else:
        tell(run_plan(plan, home, over), json)
