"""What steering does to items without a conflict, against no steering."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trimtab.studies.kit.metrics import by_item, paired_by_item
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import clustered_rate, holm

CONDITION = ("model", "method", "target", "strength", "chosen", "kind")


def control_rates(answers: Sequence[Record], seed: int = 0) -> list[Record]:
    """Count right answers by condition and kind, and compare them with the unsteered answers to the same items.

    Of several seeds, the mean over seeds is given, and compared item by item.

    Args:
        answers: Rows of ``evaluate_controls``; with a column ``seed``, those of several seeds.
        seed: Seed of the bootstrap.

    Returns:
        ``model, method, target, strength, chosen, kind, n, accuracy`` with its interval ``accuracy_low`` and
        ``accuracy_high``; the ``difference`` from no steering with ``difference_low``, ``difference_high``, and the
        ``p`` of the exact McNemar test, corrected by Holm's rule over everything that a method is asked (``p_holm``);
        ``lost`` and ``gained``, the items that only the unsteered or only the steered model answers right; ``changed``,
        the share of answers in other words; ``collapse``; mean ``divergence``, None if no answer has one; ``seeds``,
        and the ``lowest`` and ``highest`` accuracy of a seed.
    """
    rows = [
        {**dict(zip(CONDITION, key, strict=True)), **_rates_of(part, seed)}
        for key, part in grouped(answers, *CONDITION)
    ]
    for _, family in grouped(rows, "method", "chosen"):
        for row, p in zip(family, holm([row["p"] for row in family]), strict=True):
            row["p_holm"] = p
    return rows


def _rates_of(part: list[Record], seed: int) -> Record:
    accuracy = clustered_rate([row["right"] for row in part], [row["id"] for row in part])
    steered, plain = (by_item(part, lambda row, name=name: bool(row[name])) for name in ("right", "right_unsteered"))
    found = paired_by_item(steered, plain, seed)
    by_seed = [sum(row["right"] for row in own) / len(own) for _, own in grouped(_with_seed(part), "seed")]
    finite = [row["divergence"] for row in part if not math.isnan(row["divergence"])]
    return {
        "n": found.n,
        "accuracy": accuracy.value,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "difference": found.difference,
        "difference_low": found.low,
        "difference_high": found.high,
        "p": found.p,
        "lost": found.second_only,
        "gained": found.first_only,
        "changed": _mean([row["changed"] for row in part]),
        "collapse": _mean([row["collapsed"] for row in part]),
        "divergence": _mean(finite) if finite else None,
        "seeds": len(by_seed),
        "lowest": min(by_seed),
        "highest": max(by_seed),
    }


def _with_seed(part: list[Record]) -> list[Record]:
    return [{"seed": None, **row} for row in part]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
