"""``trimtab interference``: does the modality that does not matter change a model's answers?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.early import check_model
from trimtab.cli.inputs import load_items, load_model, say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import (
    DataSource,
    Images,
    Json,
    Limit,
    MaxNewTokens,
    ModelName,
    RelevantTo,
    Seed,
    SkipMissing,
    Split,
)


@loads
def interference(
    model: ModelName,
    data: DataSource,
    out: Annotated[Path, typer.Option(help="Run folder; a killed run goes on in it.")] = Path("runs/interference"),
    relevant: RelevantTo = None,
    condition: Annotated[
        list[str] | None, typer.Option(help="Perturbation, or several joined by +; all kinds if left out.")
    ] = None,
    way: Annotated[
        list[str] | None, typer.Option(help="plain, ignore, step_by_step or contrast; plain if left out.")
    ] = None,
    scoring: Annotated[list[str] | None, typer.Option(help="logits, generation or both; logits if left out.")] = None,
    spectrum: Annotated[
        bool, typer.Option("--spectrum/--no-spectrum", help="Also exchange pictures and questions between items.")
    ] = True,
    max_new_tokens: MaxNewTokens = None,
    limit: Limit = None,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    seed: Seed = 0,
    json: Json = False,
    *,
    loading: Loading,
) -> None:
    """Perturb what does not matter, item by item, and report how answers change; writes a run folder and a report."""
    from trimtab.interference import DiagnosisConfig, with_relevant
    from trimtab.report.interference import write_interference_report
    from trimtab.studies.interference import InterferencePlan, read_interference, run_interference
    from trimtab.studies.kit.length import answer_length
    from trimtab.studies.kit.run_folder import check_run_folder

    given: dict[str, Any] = {"conditions": condition, "ways": way, "scoring": scoring}
    config = DiagnosisConfig(
        **{name: tuple(values) for name, values in given.items() if values},
        max_new_tokens=max_new_tokens or answer_length([model]),
        seed=seed,
    )
    check_run_folder(out, "`--out`")
    check_model(model, loading)
    items = load_items(data, split=split, images=images, skip_missing=skip_missing, limit=limit, seed=seed)
    if relevant is not None:
        items = with_relevant(items, relevant.value)
    loaded = load_model(model, loading)
    with progress_bars() as bars:
        plan = InterferencePlan(model, data, config, spectrum, loading)
        folder = run_interference(plan, out, loaded, items, progress=bars)
    page = write_interference_report(folder)
    summary = read_interference(folder)
    say_skipped(len(summary["items"]["skipped"]), data)
    if json:
        print_json({"run": str(folder), "report": str(page), **summary})
        return
    print_effects(summary)
    print_line(f"Report: {page}")


def print_effects(summary: dict[str, Any]) -> None:
    """Print the table of effects over all items, and the worst cases."""
    from trimtab.report.interference import EFFECTS, effect_cells, worst_cells

    print_table(
        f"{summary['model']['name']}: answers under perturbation of what does not matter, in percent",
        EFFECTS,
        effect_cells(summary["effects"]),
        left=4,
        gap=1,
    )
    print_table(
        "Worst case over conditions, in percent of items",
        ["relevant", "way", "scoring", "clean", "worst", "under", "right under all (95 %)"],
        worst_cells(summary["worst"]),
        left=3,
    )
