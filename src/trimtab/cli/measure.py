"""``trimtab measure``: how much each modality contributes to a model's answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars
from trimtab.cli.inputs import load_items, load_model, say_skipped
from trimtab.cli.options import (
    DataSource,
    Images,
    Json,
    Limit,
    ModelName,
    Seed,
    SkipMissing,
    Split,
    Target,
)

if TYPE_CHECKING:
    from trimtab.contribution import Contributions


def measure(
    model: ModelName,
    data: DataSource,
    instruction: Annotated[
        Target | None, typer.Option(help="Measure under the instruction to follow this modality.")
    ] = None,
    limit: Limit = None,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    out: Annotated[Path | None, typer.Option(help="Write a row for each item to this .parquet file.")] = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Measure, for each item, how much image and text contribute to the answer."""
    from trimtab.contribution import ContributionConfig, contribution
    from trimtab.data.prompts import INSTRUCTIONS
    from trimtab.study.run_folder import write_whole

    items = load_items(data, split=split, images=images, skip_missing=skip_missing, limit=limit, seed=seed)
    loaded = load_model(model)
    sentence = None if instruction is None else INSTRUCTIONS[instruction.value]
    with progress_bars() as bars, bars.task("contribution", len(items)) as advance:
        found = contribution(
            loaded,
            items,
            instruction=sentence,
            config=ContributionConfig(seed=seed),
            progress=advance,
        )
    say_skipped(len(found.skipped), data)
    if out is not None:
        write_whole(out, lambda part: found.table().to_parquet(part, index=False))
    rows = ratios(found, seed)
    if json:
        print_json({"model": loaded.name, "skipped": len(found.skipped), "ratios": rows, "items": found.rows()})
        return
    print_table(
        f"Visual ratio of {loaded.name}: the image's share of both contributions",
        ["task", "items", "ratio", "95 % interval"],
        [[r["task"], str(r["n"]), f"{r['ratio']:.3f}", f"{r['ratio_low']:.3f} to {r['ratio_high']:.3f}"] for r in rows],
    )
    if out is not None:
        print_line(f"Items: {out}")


def ratios(found: Contributions, seed: int) -> list[dict[str, Any]]:
    """Average visual ratios by task, with intervals."""
    from trimtab.study import contribution_rates

    return contribution_rates(found.rows(), seed)
