"""Accuracy of a variant over its seeds, with intervals over items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from trimtab.interference import CLEAN
from trimtab.study.records import Record, grouped
from trimtab.study.statistics import bootstrap_mean

VANILLA = "vanilla"
WORST_SEEN, WORST_UNSEEN = "worst seen", "worst unseen"


def accuracy_table(name: str, runs: Sequence[Sequence[Record]], seen: Collection[str]) -> list[dict[str, Any]]:
    """Average a variant's accuracy over seeds.

    Args:
        name: The variant.
        runs: For each seed, rows of ``Diagnosis.answers``.
        seen: Conditions that it was trained on, and ``clean``.

    Returns:
        A row for each family and condition: ``variant, relevant, condition, seen, n, seeds, accuracy``, a bootstrap
        interval over items (each item's mean over seeds), and ``spread``, the standard deviation over seeds. Two more
        for each family, ``worst seen`` and ``worst unseen``, average each seed's lowest accuracy over the perturbations
        of that sort; where the family has none, that is its clean accuracy.
    """
    families: dict[str, dict[str, list[dict[str, bool]]]] = {}
    for run in runs:
        for (family, condition), rows in grouped(run, "relevant", "condition"):
            families.setdefault(family, {}).setdefault(condition, []).append({r["id"]: r["correct"] for r in rows})
    found = []
    for family, conditions in families.items():
        start = {"variant": name, "relevant": family, "seeds": len(runs)}
        for condition, by_seed in conditions.items():
            found.append({**start, "condition": condition, "seen": condition in seen, **_mean(by_seed)})
        for title, chosen in (
            (WORST_SEEN, [c for c in conditions if c in seen and c != CLEAN]),
            (WORST_UNSEEN, [c for c in conditions if c not in seen]),
        ):
            worst = _worst([conditions[c] for c in chosen or [CLEAN]])
            found.append({**start, "condition": title, "seen": title == WORST_SEEN, **_mean(worst)})
    return found


def _worst(conditions: Sequence[Sequence[dict[str, bool]]]) -> list[dict[str, bool]]:
    """Take for each seed the condition of its lowest accuracy."""
    return [min(of_seed, key=_share) for of_seed in zip(*conditions, strict=True)]


def _share(right: dict[str, bool]) -> float:
    return sum(right.values()) / len(right)


def _mean(by_seed: Sequence[dict[str, bool]]) -> dict[str, Any]:
    by_item: dict[str, list[bool]] = {}
    for right in by_seed:
        for item, value in right.items():
            by_item.setdefault(item, []).append(value)
    interval = bootstrap_mean([float(np.mean(values)) for values in by_item.values()])
    shares = [_share(right) for right in by_seed]
    return {
        "n": len(by_item),
        "accuracy": float(np.mean(shares)),
        "low": interval.low,
        "high": interval.high,
        "spread": float(np.std(shares, ddof=1)) if len(shares) > 1 else None,
    }
