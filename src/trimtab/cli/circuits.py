"""``trimtab circuits``: where and by which heads a model decides a conflict."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trimtab.cli.inputs import say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, Images, Json, ModelName, Seed, SkipMissing, Split
from trimtab.cli.running import check_images, run_plan, tell
from trimtab.cli.workers import Over, works


class Scope(StrEnum):
    """Where heads are blocked and amplified."""

    last = "last"
    anchors = "instruction+last"
    all = "all"


AbilityItems = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="Compare each plain ability on at least this many items, if there are so many; if left out, 158, and "
        "with --limit those of the test.",
    ),
]


@works
@loads
def circuits(
    model: ModelName,
    data: DataSource,
    out: Annotated[Path, typer.Option(help="Run folder; give it again to resume a run that was stopped.")] = Path(
        "runs/circuits"
    ),
    limit: Annotated[
        int | None,
        typer.Option(
            "--limit", min=8, help="Use at most this many items: 30 % to score heads, 20 % to choose, 50 % to test."
        ),
    ] = None,
    ability_items: AbilityItems = None,
    flow_items: Annotated[int, typer.Option(min=1, help="Items for the attention knockout.")] = 24,
    window: Annotated[int, typer.Option(min=1, help="Number of layers that a knockout covers.")] = 3,
    share: Annotated[float, typer.Option(help="Share of all heads that the head set holds.")] = 0.05,
    scope: Annotated[
        Scope, typer.Option(help="Token positions at which heads are scored, blocked and amplified.")
    ] = Scope.anchors,
    single: Annotated[
        bool, typer.Option("--single", help="Use only items whose answers are single tokens, as the paper does.")
    ] = False,
    split: Split = None,
    images: Images = None,
    skip_missing: SkipMissing = False,
    max_new_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Most tokens of an answer; if left out, 8 for the bundled models and 32 for others."),
    ] = None,
    seed: Seed = 0,
    json: Json = False,
    *,
    loading: Loading,
    over: Over,
) -> None:
    """Find the layers and heads by which a model follows an instruction: knockout, logit lens, head scores."""
    from trimtab.studies.circuits import CircuitsPlan

    plan = CircuitsPlan(
        model=model,
        data=data,
        seed=seed,
        flow_items=flow_items,
        window=window,
        share=share,
        scope=scope.value,
        answer_tokens="single" if single else "distinct",
        max_new_tokens=max_new_tokens,
        load=loading,
        images=check_images(images),
        split=split or "",
        skip_missing=skip_missing,
        **_sizes(limit, ability_items),
    )
    found = run_plan(plan, out, over)
    say_skipped(len(found.summary["skipped"]), data)
    tell(found, json)


def _sizes(limit: int | None, ability_items: int | None) -> dict[str, Any]:
    """Share items among the three parts of the study; None leaves the plan's own sizes."""
    given = {} if ability_items is None else {"ability_items": ability_items}
    if limit is None:
        return given
    tested = max(1, 5 * limit // 10)
    return {
        "score_items": max(2, 3 * limit // 10),
        "validation_items": max(1, 2 * limit // 10),
        "test_items": tested,
        "ability_items": tested,
        **given,
    }
