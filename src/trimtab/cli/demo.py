"""``trimtab demo``: the whole job on the bundled models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import Json, Seed
from trimtab.cli.running import loaded_as, run_plan, tell


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

    from trimtab.studies import DEMO, FAST

    plan = loaded_as(replace(FAST if fast else DEMO, seed=seed), loading)
    home = out or Path("runs", "demo-fast" if fast else "demo")
    tell(run_plan(plan, home), json)
