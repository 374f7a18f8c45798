"""``trimtab interference``: does the modality that does not matter change a model's answers?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.inputs import say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, Json, MaxNewTokens, ModelName, RelevantTo, Seed
from trimtab.cli.reading import Reading, reads
from trimtab.cli.running import run_plan, tell
from trimtab.cli.workers import Over, works


@reads
@works
@loads
def interference(
    model: ModelName,
    data: DataSource,
    out: Annotated[Path, typer.Option(help="Run folder; give it again to resume a run that was stopped.")] = Path(
        "runs/interference"
    ),
    relevant: RelevantTo = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="Perturbation, or several joined by +; repeatable; all kinds if left out.")
    ] = None,
    way: Annotated[
        list[str] | None,
        typer.Option(help="Way of asking: plain, ignore, step_by_step or contrast; repeatable; plain if left out."),
    ] = None,
    scoring: Annotated[
        list[str] | None, typer.Option(help="Score by logits or by generation; repeatable; logits if left out.")
    ] = None,
    spectrum: Annotated[
        bool,
        typer.Option(
            "--spectrum/--no-spectrum",
            help="Also exchange pictures and questions between items, to see how much each matters.",
        ),
    ] = True,
    max_new_tokens: MaxNewTokens = None,
    *,
    reading: Reading,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
    over: Over,
) -> None:
    """Perturb the irrelevant modality of each item, and report how much the answers change."""
    from trimtab.interference import DiagnosisConfig
    from trimtab.studies.interference import InterferencePlan
    from trimtab.studies.kit.length import answer_length

    given: dict[str, Any] = {"conditions": condition, "ways": way, "scoring": scoring}
    config = DiagnosisConfig(
        **{name: tuple(values) for name, values in given.items() if values},
        max_new_tokens=max_new_tokens or answer_length([model]),
        seed=seed,
    )
    plan = InterferencePlan(
        model,
        data,
        config,
        spectrum,
        loading,
        relevant,
        **reading.as_planned(),
    )
    found = run_plan(plan, out, over)
    say_skipped(len(found.summary["items"]["skipped"]), data)
    tell(found, json)
