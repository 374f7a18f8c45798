"""Accuracy of a variant over its seeds, with intervals over items."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from trimtab.interference import CLEAN
from trimtab.interference.diagnosis import worst_case
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import bootstrap_mean, cluster_places

VANILLA = "vanilla"
WORST_SEEN, WORST_UNSEEN = "worst seen", "worst unseen"
MEAN_SEEN, MEAN_UNSEEN = "mean seen", "mean unseen"
SHUFFLES = 1000
"""Random orders of the conditions' names, to see what chance alone makes of the worst."""

Right = Mapping[str, bool]
"""Whether the answer to each item is right."""


def accuracy_table(name: str, runs: Sequence[Sequence[Record]], seen: Collection[str]) -> list[dict[str, Any]]:
    """Average a variant's accuracy over seeds.

    Args:
        name: The variant.
        runs: For each seed, rows of ``Diagnosis.answers``.
        seen: Conditions that it was trained on, and ``clean``.

    Returns:
        A row for each family and condition: ``variant, relevant, condition, seen, n, seeds, accuracy``, the ``clean``
        accuracy of the same items, a bootstrap interval over ``clusters`` of items (each item's mean over seeds),
        ``spread``, the standard deviation over seeds, and ``loss`` from the clean answers with its interval. Four more
        for each family: ``mean seen`` and ``mean unseen`` average each item over the perturbations of that sort that
        fit it; ``worst seen`` and ``worst unseen`` take for each seed the one that loses most (``worst_case``), and say
        in ``chance`` what it would lose if it were the worst by chance alone (``loss_by_chance``). Where the family has
        none of a sort, its clean answers stand there.
    """
    families: dict[str, list[dict[str, Right]]] = {}
    clusters = {row["id"]: row["cluster"] for run in runs for row in run}
    for run in runs:
        for (family,), rows in grouped(run, "relevant"):
            right: dict[str, Right] = {
                c: {r["id"]: r["correct"] for r in part} for (c,), part in grouped(rows, "condition")
            }
            families.setdefault(family, []).append(right)
    return [
        {"variant": name, "relevant": family, "seeds": len(runs), **row}
        for family, by_seed in families.items()
        for row in _family(by_seed, seen, clusters)
    ]


def _family(
    by_seed: Sequence[Mapping[str, Right]], seen: Collection[str], clusters: Mapping[str, str]
) -> list[dict[str, Any]]:
    clean = [right[CLEAN] for right in by_seed]
    conditions = list(dict.fromkeys(c for right in by_seed for c in right))
    rows = []
    for condition in conditions:
        found = _mean([right[condition] for right in by_seed], clean, clusters)
        rows.append({"condition": condition, "seen": condition in seen, **found})
    sorts = (
        (MEAN_SEEN, WORST_SEEN, [c for c in conditions if c in seen and c != CLEAN]),
        (MEAN_UNSEEN, WORST_UNSEEN, [c for c in conditions if c not in seen]),
    )
    for mean, worst, chosen in sorts:
        means = [_over([right[c] for c in chosen or [CLEAN]]) for right in by_seed]
        worsts = [right[worst_case(right, chosen).condition] for right in by_seed]
        for title, found in ((mean, means), (worst, worsts)):
            rows.append({"condition": title, "seen": mean == MEAN_SEEN, **_mean(found, clean, clusters)})
        rows[-1]["chance"] = float(np.mean([loss_by_chance(right, chosen, clusters) for right in by_seed]))
    return rows


def loss_by_chance(right: Mapping[str, Right], among: Sequence[str], clusters: Mapping[str, str]) -> float:
    """Return what the worst of some conditions would lose on average if no condition mattered.

    The worst of several looks worse than it is, since it was chosen on the same items. If none did anything, each
    item's answers would be as likely in any other order; so they are given to the conditions and the clean one at
    random, in whole clusters, and the worst is found again. A condition that does harm makes the answers differ, and
    with that this number larger: it is the smallest that could be hoped for, not a bias to take off.

    Args:
        right: The answers under each condition, ``clean`` among them.
        among: The conditions that the worst is one of; none lose nothing.
        clusters: What cluster each item is of.
    """
    names = [CLEAN, *among]
    items = [item for item in right[CLEAN] if all(item in right[name] for name in names)]
    if not among or not items:
        return 0.0
    answers = np.array([[float(right[name][item]) for name in names] for item in items])
    of = cluster_places([clusters[item] for item in items], len(items), "loss_by_chance")
    rng, losses = np.random.default_rng(0), []
    for _ in range(SHUFFLES):
        order = rng.random((int(of.max()) + 1, len(names))).argsort(1)
        shares = np.take_along_axis(answers, order[of], 1).mean(0)
        losses.append(shares[0] - shares[1:].min())
    return float(np.mean(losses))


def _over(conditions: Sequence[Right]) -> dict[str, float]:
    """Average each item over the conditions that fit it."""
    values: dict[str, list[bool]] = {}
    for right in conditions:
        for item, value in right.items():
            values.setdefault(item, []).append(value)
    return {item: sum(found) / len(found) for item, found in values.items()}


def _mean(
    by_seed: Sequence[Mapping[str, float]], clean: Sequence[Right], clusters: Mapping[str, str]
) -> dict[str, Any]:
    by_item: dict[str, list[float]] = {}
    for right in by_seed:
        for item, value in right.items():
            by_item.setdefault(item, []).append(float(value))
    own = [clusters[item] for item in by_item]
    values = {item: float(np.mean(found)) for item, found in by_item.items()}
    interval = bootstrap_mean(list(values.values()), clusters=own, bounds=(0, 1))
    without = {item: float(np.mean([c[item] for c in clean])) for item in values}
    loss = bootstrap_mean([without[item] - values[item] for item in values], clusters=own, bounds=(-1, 1))
    shares = [float(np.mean(list(right.values()))) for right in by_seed]
    before = [float(np.mean([c[item] for item in right])) for right, c in zip(by_seed, clean, strict=True)]
    return {
        "n": len(by_item),
        "clusters": len(set(own)),
        "accuracy": float(np.mean(shares)),
        "clean": float(np.mean(before)),
        "low": interval.low,
        "high": interval.high,
        "spread": float(np.std(shares, ddof=1)) if len(shares) > 1 else None,
        "loss": loss.value,
        "loss_low": loss.low,
        "loss_high": loss.high,
    }
