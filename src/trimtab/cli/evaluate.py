"""``trimtab evaluate``: how often a model follows the target under fitted methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trimtab.cli.console import print_json, print_line, print_table, progress_bars, remark
from trimtab.cli.early import check_artifacts, check_engine, check_out_file
from trimtab.cli.inputs import limited, load_or_connect, say_skipped
from trimtab.cli.loading import Loading, loads
from trimtab.cli.options import DataSource, Json, MaxNewTokens, ModelOrServer, Seed
from trimtab.cli.reading import Reading, reads
from trimtab.cli.workers import Over, works
from trimtab.fields import shown

if TYPE_CHECKING:
    from pandas import DataFrame

    from trimtab.engine import ModelOrEngine
    from trimtab.items import Item
    from trimtab.studies import Evaluation
    from trimtab.studies.kit.artifacts import AnyArtifact


@reads
@works
@loads
def evaluate(
    model: ModelOrServer,
    data: DataSource,
    artifact: Annotated[
        list[Path] | None, typer.Option(help="Artifact folder; give it several times to compare.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            help="Name of each artifact in tables, in the order of --artifact; if left out, the method or the folder."
        ),
    ] = None,
    strength: Annotated[
        list[float] | None, typer.Option(help="More strengths to try, beside each artifact's own.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="open: in words; single: options in one order; paired: options in both orders.")
    ] = "open",
    *,
    reading: Reading,
    out: Annotated[Path | None, typer.Option(help="Write a row for each answer to this .parquet file.")] = None,
    max_new_tokens: MaxNewTokens = None,
    seed: Seed = 0,
    json: Json = False,
    loading: Loading,
    over: Over,
) -> None:
    """Evaluate artifacts on conflict items and compare them with the unsteered model and with an instruction."""
    from trimtab.fields import check_value
    from trimtab.items import valid_answers
    from trimtab.studies import evaluate as evaluate_methods
    from trimtab.studies.kit.length import answer_length
    from trimtab.studies.kit.protocols import PROTOCOLS

    PROTOCOLS.named(protocol)
    for one in strength or []:
        check_value("--strength", "evaluate", float, one)
    check_out_file(out, suffix=".parquet", data=data)
    check_artifacts(artifact or [])
    check_engine(model, loading, over)
    every = replace(reading, limit=None).items(data, seed)
    items = limited(every, reading.limit, seed)
    loaded = load_or_connect(model, loading, over)
    methods = with_baselines(loaded, items, artifact or [], label or [])
    with progress_bars() as bars:
        found = evaluate_methods(
            loaded,
            items,
            methods,
            strengths=strength,
            protocol=protocol,
            valid=valid_answers(every),  # an answer is not broken because a limit left its item out
            max_new_tokens=max_new_tokens or answer_length([loaded.name]),
            progress=bars,
        )
    say_skipped(len(found.skipped), data)
    _tell(found, loaded.name, out, json)


def _tell(found: Evaluation, model: str, out: Path | None, json: bool) -> None:
    """Write the answers, if they are wanted, and print the rates."""
    from trimtab.files import write_whole
    from trimtab.studies import records

    if out is not None:
        write_whole(out, lambda part: found.answers.to_parquet(part, index=False))
    rates = records(found.rates)
    if json:
        print_json({"model": model, "skipped": len(found.skipped), "rates": rates, "receipt": found.receipt.table()})
        return
    _print(rates)
    if common := commonest(found.answers):
        print_line(f"Most common answers that follow neither: {common}.")
    print_line(f"Receipt: {found.receipt}")
    if out is not None:
        print_line(f"Answers: {out}")
    else:
        remark("--out answers.parquet keeps every answer.")


def commonest(answers: DataFrame, most: int = 3) -> str:
    """Name the most common answers of a table that are labelled ``other``, each with how often it was given."""
    counts = answers.loc[answers["label"] == "other", "prediction"].value_counts()
    return ", ".join(f"{shown(answer)} ({count})" for answer, count in counts.head(most).items())


def with_baselines(
    model: ModelOrEngine, items: Sequence[Item], folders: list[Path], labels: Sequence[str] = ()
) -> list[AnyArtifact]:
    """Load artifacts; put before them, for each of their targets, no steering and the instruction.

    Without artifacts the targets are the modalities that the items set against each other.
    """
    from trimtab.modalities import in_order
    from trimtab.steering import Instruction, NoSteering
    from trimtab.steering.states import in_conflict
    from trimtab.studies.kit.artifacts import load_artifacts

    loaded = load_artifacts(folders, model, labels)
    methods: list[AnyArtifact] = []
    for target in in_order(a.target for a in loaded) or in_conflict(m for item in items for m in item.modalities):
        own = [a for a in loaded if a.target == target]
        present = {a.method for a in own}
        plain = [kind(target=target) for kind in (NoSteering, Instruction) if kind.name not in present]
        methods += [*(method.fit(model, items) for method in plain), *own]
    return methods


def _print(rates: list[dict[str, Any]]) -> None:
    from trimtab.studies import ALL_TASKS

    totals = [r for r in rates if r["task"] == ALL_TASKS]
    print_table(
        f"{totals[0]['model']}: share of {totals[0]['n']} items, in percent",
        ["target", "method", "strength", "following (95 %)", "other side", "neither", "collapse"],
        [
            [
                r["target"],
                r["method"],
                f"{r['strength']:g}",
                f"{100 * r['following']:.1f} ({100 * r['following_low']:.1f} to {100 * r['following_high']:.1f})",
                *(f"{100 * r[k]:.1f}" for k in ("others", "other", "collapse")),
            ]
            for r in totals
        ],
        left=2,
    )
