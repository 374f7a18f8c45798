"""Rates out of judged answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trimtab.data.prompts import Modality, opposite
from trimtab.study.records import Record, by_task, grouped, records
from trimtab.study.statistics import PairedDifference, bootstrap_mean, paired_difference, wilson

if TYPE_CHECKING:
    from pandas import DataFrame

CONDITION = ("model", "method", "target", "protocol", "strength")
"""What tells one condition of a study from another."""


def rates(answers: DataFrame) -> DataFrame:
    """Count, for each condition, the answers that follow the target, its opposite, or neither.

    Following, opposite and other rate sum to 1. A collapsed answer is always an ``other`` one, so the collapse
    rate is a part of the other rate.

    Args:
        answers: Rows of ``Evaluation.answers``.

    Returns:
        A row for each condition and task, and one over all tasks (``"all"``): ``n``, ``following`` with its Wilson
        interval ``following_low`` and ``following_high``, ``opposite``, ``other`` and ``collapse``.
    """
    from pandas import DataFrame

    return DataFrame(
        {**dict(zip(CONDITION, key, strict=True)), "task": task, **_rates_of(part, key[CONDITION.index("target")])}
        for key, group in grouped(records(answers), *CONDITION)
        for task, part in by_task(group)
    )


def contribution_rates(contributions: list[Record], seed: int = 0) -> list[Record]:
    """Average visual ratios by task and over all tasks; items without a ratio do not count.

    Args:
        contributions: Rows of ``Contributions``.
        seed: Seed of the bootstrap.

    Returns:
        ``task, n, ratio, ratio_low, ratio_high``, a row for each task that has a ratio.
    """
    rows = []
    for task, part in by_task(contributions):
        ratios = [row["ratio"] for row in part if not math.isnan(row["ratio"])]
        if ratios:
            mean = bootstrap_mean(ratios, seed)
            found = {"n": len(ratios), "ratio": mean.value, "ratio_low": mean.low, "ratio_high": mean.high}
            rows.append({"task": task, **found})
    return rows


def compare(
    answers: Sequence[Record], first: dict[str, Any], second: dict[str, Any], seed: int = 0
) -> PairedDifference:
    """Compare the following rates of two conditions on the items that both were tried on.

    Args:
        answers: Rows of ``Evaluation.answers``.
        first: Column values that pick one condition, such as ``{"method": "amps", "target": "image"}``.
        second: The same for the other condition.
        seed: Seed of the bootstrap.

    Raises:
        UsageError: The two conditions share no item.
    """
    a, b = _followed(answers, first), _followed(answers, second)
    shared = [item for item in a if item in b]
    return paired_difference([a[i] for i in shared], [b[i] for i in shared], seed)


def _followed(answers: Sequence[Record], condition: dict[str, Any]) -> dict[str, bool]:
    return {
        row["id"]: row["label"] == row["target"]
        for row in answers
        if all(row[column] == value for column, value in condition.items())
    }


def _rates_of(part: list[Record], target: Modality) -> dict[str, Any]:
    n, labels = len(part), [row["label"] for row in part]
    following = wilson(labels.count(target), n)
    return {
        "n": n,
        "following": following.value,
        "following_low": following.low,
        "following_high": following.high,
        "opposite": labels.count(opposite(target)) / n,
        "other": labels.count("other") / n,
        "collapse": sum(row["collapsed"] for row in part) / n,
    }
