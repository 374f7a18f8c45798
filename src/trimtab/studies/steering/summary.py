"""``summary.json``: a study's results in one small file with a fixed schema."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from trimtab.modalities import PAIR, Modality
from trimtab.studies.kit.metrics import (
    compare,
    contribution_rates,
    oracle_rates,
    preference_rates,
    rates,
    seed_rates,
)
from trimtab.studies.kit.records import ALL_TASKS, Record, grouped, records
from trimtab.studies.kit.statistics import holm
from trimtab.studies.steering.control_rates import control_rates
from trimtab.studies.steering.controls import Controls
from trimtab.studies.steering.plan import MEASURED, SWEPT

if TYPE_CHECKING:
    from pandas import DataFrame

    from trimtab.studies.steering.plan import MethodSpec, Plan

SCHEMA_VERSION = 6
"""6: ``seeds`` and ``control_items``; ``controls`` compared with the unsteered answers item by item. 5:
``contribution_method``, always MCS before. 4: a ``kind`` and the ``modalities``; ``others`` for ``opposite``."""

DIGITS = 6
"""Decimals kept: far below any interval's width."""
P_VALUES = ("p", "p_holm")
SCALING_OPTIONS = ("reading", "beta", "anchor", "shuffled", "ratio", "online")
"""What AMPS has beside L2S."""


def summarise(
    plan: Plan,
    models: dict[str, dict[str, Any]],
    answers: DataFrame,
    contributions: DataFrame,
    artifacts: DataFrame,
    refused: list[Record],
    controls: DataFrame | None = None,
    costs: DataFrame | None = None,
    skipped: Sequence[Record] = (),
    modalities: Sequence[Modality] = PAIR,
    made: Controls | None = None,
) -> dict[str, Any]:
    """Build the summary of a study. It holds no times, so that equal studies have equal summaries.

    Args:
        plan: The study.
        models: By name, what identifies each model.
        answers: Judged answers of all models; the rows of ``Evaluation.answers``, of several seeds with a column
            ``seed`` in which the first is 0.
        contributions: ``model, instruction, item_id, task, image, text, ratio`` of each item.
        artifacts: What was chosen for each method; see ``artifact_table``.
        refused: ``model, method, target, reason`` of methods that a model cannot take.
        controls: Judged answers to items without a conflict; the rows of ``evaluate_controls``.
        costs: Work of single answers; the rows of ``costs``, whose seconds are left out.
        skipped: ``model, split, row, id, reason`` of items that a model cannot take.
        modalities: Those that items set against each other.
        made: The controls that were made.
    """
    every, made = records(answers), made or Controls()
    judged = [row for row in every if not row.get("seed")]
    chosen = [row for row in every if row["chosen"]]
    at = {(r["model"], r["method"], r["target"]): r["strength"] for r in chosen}
    rows = [
        {**row, "chosen": row["strength"] == at[row["model"], row["method"], row["target"]]}
        for row in records(rates(answers))
    ]
    swept = [row for row in judged if row["protocol"] == SWEPT]
    return {
        "seed": plan.seed,
        "study": plan.name,
        "modalities": list(modalities),
        "models": models,
        "artifacts": _plain(artifacts),
        "refused": refused,
        "skipped": list(skipped),
        "rows": [_rounded(row) for row in rows],
        "contribution_method": MEASURED.name,
        "contribution": [_rounded(row) for row in _contribution_rows(records(contributions), plan.seed)],
        "paired": [_rounded(row) for row in _corrected(_paired_rows(plan, list(models), chosen))],
        "equal_strength": [_rounded(row) for row in _corrected(_equal_strength_rows(plan, records(artifacts), judged))],
        "sweep": [_rounded(row) for row in _sweep_rows(swept, at)],
        "oracle": [_rounded(row) for row in oracle_rates(swept)],
        "preference": [_rounded(row) for row in preference_rates(_on_swept_items(swept))],
        "seeds": [_rounded(row) for row in seed_rates(chosen)] if "seed" in answers else [],
        "controls": [] if controls is None else [_rounded(row) for row in control_rates(records(controls), plan.seed)],
        "control_items": [{"kind": k, "n": len(own), "short": made.short.get(k, "")} for k, own in made.made.items()],
        "costs": [] if costs is None else [_rounded(row) for row in records(costs.drop(columns="seconds"))],
    }


def _sweep_rows(swept: list[Record], chosen: dict[tuple[str, str, str], float]) -> list[Record]:
    """Count rates at every strength on the same items, so that points of one curve can be compared."""
    from pandas import DataFrame

    return [
        {**row, "chosen": row["strength"] == chosen[row["model"], row["method"], row["target"]]}
        for row in records(rates(DataFrame(_on_swept_items(swept))))
        if row["task"] == ALL_TASKS
    ]


def _on_swept_items(swept: list[Record]) -> list[Record]:
    """Keep the items that were asked at every strength; all, if only chosen strengths were asked."""
    items: dict[tuple[str, str], set[str]] = {}
    for row in swept:
        if not row["chosen"]:
            items.setdefault((row["model"], row["target"]), set()).add(row["id"])
    return [row for row in swept if row["id"] in items.get((row["model"], row["target"]), {row["id"]})]


def _contribution_rows(contributions: list[Record], seed: int) -> list[Record]:
    return [
        {"model": model, "task": row.pop("task"), "instruction": instruction, **row}
        for (model, instruction), group in grouped(contributions, "model", "instruction")
        for row in contribution_rates(group, seed)
    ]


def _paired_rows(plan: Plan, models: list[str], chosen: list[Record]) -> list[Record]:
    """Compare each method with those before it in the plan, on the same items, under each protocol."""
    rows = []
    for model, protocol, target in product(models, plan.protocols, plan.targets):
        where = {"model": model, "protocol": protocol, "target": target}
        part = [row for row in chosen if where.items() <= row.items()]
        methods = [m for m in plan.methods if any(row["method"] == m for row in part)]
        for place, method in enumerate(methods):
            for baseline in methods[:place]:
                rows.append({**where, **_difference(part, method, baseline, plan.seed)})
    return rows


def _equal_strength_rows(plan: Plan, artifacts: list[Record], judged: list[Record]) -> list[Record]:
    """Compare AMPS with L2S, and with its own shuffled scalings, at the same layer and each strength of the sweep.

    At the strengths chosen for each, a difference may come of the strength alone. Readings whose scaling is 1 on
    average (``trimtab.steering.amps.factors``) have the same mean strength as L2S here; the others have twice that.
    """
    layers = {(a["model"], a["target"], a["method"]): a["layer"] for a in artifacts}
    rows = []
    for model, target in product(dict.fromkeys(a["model"] for a in artifacts), plan.targets):
        where = {"model": model, "protocol": SWEPT, "target": target}
        swept = [row for row in judged if where.items() <= row.items()]
        for method, baseline in _scaled_pairs(plan):
            same_layer = layers.get((model, target, method), -1) == layers.get((model, target, baseline), -2)
            for strength in plan.strengths if same_layer else ():
                part = [row for row in swept if row["strength"] == strength]
                if {method, baseline} <= {row["method"] for row in part}:
                    found = _difference(part, method, baseline, plan.seed)
                    rows.append({**where, "strength": strength, **found})
    return rows


def _scaled_pairs(plan: Plan) -> list[tuple[str, str]]:
    """Return each AMPS with each L2S of the same training, and with its own scalings shuffled."""
    return [
        (first, second)
        for first, second in product(plan.methods, plan.methods)
        if _differ_in_scaling(plan.spec(first), plan.spec(second))
    ]


def _differ_in_scaling(first: MethodSpec, second: MethodSpec) -> bool:
    if first.method != "amps":
        return False
    if second.method == "l2s":
        return second.options == {k: v for k, v in first.options.items() if k not in SCALING_OPTIONS}
    shuffled = {**first.options, "shuffled": True}
    return second.method == "amps" and not first.options.get("shuffled") and second.options == shuffled


def _difference(part: list[Record], method: str, baseline: str, seed: int) -> Record:
    found = compare(part, {"method": method}, {"method": baseline}, seed)
    return {
        "method": method,
        "baseline": baseline,
        "n": found.n,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "p": found.p,
        "effect": found.effect,
        "method_only": found.first_only,
        "baseline_only": found.second_only,
    }


def _corrected(rows: list[Record]) -> list[Record]:
    """Add Holm's correction over one family: a pair of methods, everywhere that it is compared."""
    for _, family in grouped(rows, "method", "baseline"):
        for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = p
    return rows


def _plain(table: DataFrame) -> list[Record]:
    """Return a table's rows with missing values as None and whole numbers as such."""
    return [
        {
            key: None if value is None or value != value else int(value) if key in ("layer", "train_items") else value
            for key, value in row.items()
        }
        for row in records(table)
    ]


def _rounded(row: Record) -> Record:
    """Round numbers for reading, except p-values, whose size matters below any number of decimals."""
    return {key: float(f"{value:.4g}") if key in P_VALUES else _round(value) for key, value in row.items()}


def _round(value: object) -> object:
    if isinstance(value, dict):
        return {key: _round(part) for key, part in value.items()}
    return round(value, DIGITS) if isinstance(value, float) else value
