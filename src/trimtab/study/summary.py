"""``summary.json``: a study's results in one small file with a fixed schema."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from trimtab.study.metrics import compare, contribution_rates, rates
from trimtab.study.records import Record, grouped, records

if TYPE_CHECKING:
    from pandas import DataFrame

    from trimtab.study.plan import Plan

SCHEMA_VERSION = 1
DIGITS = 6
"""Decimals kept: far below any interval's width."""


def summarise(
    plan: Plan,
    models: dict[str, dict[str, Any]],
    answers: DataFrame,
    contributions: DataFrame,
    artifacts: DataFrame,
) -> dict[str, Any]:
    """Build the summary of a study. It holds no times, so that equal studies have equal summaries.

    Args:
        plan: The study.
        models: By name, what identifies each model.
        answers: Judged answers of all models; the rows of ``Evaluation.answers``.
        contributions: ``model, instruction, item_id, task, image, text, ratio`` of each item.
        artifacts: What was chosen for each method: ``model, folder, method, target, layer, strength, reading``.
    """
    judged = records(answers)
    chosen = [row for row in judged if row["chosen"]]
    at = {(r["model"], r["method"], r["target"]): r["strength"] for r in chosen}
    rows = [
        {**row, "chosen": row["strength"] == at[row["model"], row["method"], row["target"]]}
        for row in records(rates(answers))
    ]
    return {
        "schema_version": SCHEMA_VERSION,
        "seed": plan.seed,
        "study": plan.name,
        "models": models,
        "artifacts": _plain(artifacts),
        "rows": [_rounded(row) for row in rows],
        "contribution": [_rounded(row) for row in _contribution_rows(records(contributions), plan.seed)],
        "paired": [_rounded(row) for row in _paired_rows(plan, list(models), chosen)],
    }


def as_json(summary: dict[str, Any]) -> str:
    """Return the summary as text, the same bytes for the same content."""
    return json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _contribution_rows(contributions: list[Record], seed: int) -> list[Record]:
    return [
        {"model": model, "task": row.pop("task"), "instruction": instruction, **row}
        for (model, instruction), group in grouped(contributions, "model", "instruction")
        for row in contribution_rates(group, seed)
    ]


def _paired_rows(plan: Plan, models: list[str], chosen: list[Record]) -> list[Record]:
    """Compare each method with those before it in the plan, on the same items."""
    rows = []
    for model in models:
        for target in plan.targets:
            part = [row for row in chosen if (row["model"], row["target"]) == (model, target)]
            for place, method in enumerate(plan.methods):
                for baseline in plan.methods[:place]:
                    found = compare(part, {"method": method}, {"method": baseline}, plan.seed)
                    rows.append(
                        {
                            "model": model,
                            "target": target,
                            "method": method,
                            "baseline": baseline,
                            "n": found.n,
                            "difference": found.difference,
                            "difference_low": found.low,
                            "difference_high": found.high,
                            "p": found.p,
                            "method_only": found.first_only,
                            "baseline_only": found.second_only,
                        }
                    )
    return rows


def _plain(table: DataFrame) -> list[Record]:
    """Return a table's rows with missing values as None and whole numbers as such."""
    return [
        {
            key: None if value is None or value != value else int(value) if key == "layer" else value
            for key, value in row.items()
        }
        for row in records(table)
    ]


def _rounded(row: Record) -> Record:
    """Round numbers for reading, except p-values, whose size matters below any number of decimals."""
    return {
        key: float(f"{value:.4g}") if key == "p" else round(value, DIGITS) if isinstance(value, float) else value
        for key, value in row.items()
    }
