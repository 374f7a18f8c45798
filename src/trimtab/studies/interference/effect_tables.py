"""Effects out of a diagnosis: rates with intervals, and each condition against the clean one on the same items.

Items that are about the same thing (``cluster_of``) are counted once in all intervals and tests.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from trimtab.interference import CLEAN
from trimtab.interference.diagnosis import worst_case
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import Interval, bootstrap_mean, clustered_rate, holm, paired_difference

ALL = "all"
"""Name of the slice that holds every item."""
DISTANCES = {"kl": None, "js": (0.0, math.log(2)), "tv": (0.0, 1.0)}
"""Distances between distributions, with the least and the largest that each can be."""
ASKED = ("way", "scoring", "relevant")
"""What tells one table of effects from another."""


def effects(answers: Sequence[Record], seed: int = 0) -> list[Record]:
    """Count, for each way, scoring, family, slice and condition, how accuracy and answers change.

    Args:
        answers: Rows of ``Diagnosis.answers``.
        seed: Seed of the bootstraps.

    Returns:
        Rows of ``way, scoring, relevant, slice, condition, n, clusters``; ``accuracy`` and ``changed`` (the paper's
        prediction change) with Wilson intervals; ``harmful`` (right to wrong), ``helpful`` (wrong to right),
        ``collapsed``; ``followed``, the share that picks the wrong option that the text names, of ``named`` items;
        means of ``kl, js, tv`` with bootstrap intervals; and ``difference`` from the clean accuracy with interval,
        McNemar's ``p`` or its form for clusters, and ``p_holm``, corrected for the conditions of a table. A slice is
        ``all``, ``task: NAME`` or ``tag: NAME``.
    """
    found = []
    for key, rows in grouped(answers, *ASKED):
        for name, part in _slices(rows):
            table = [_effect(condition, r, part, seed) for (condition,), r in grouped(part, "condition")]
            tested = [row for row in table if row["p"] is not None]
            for row, p in zip(tested, holm([row["p"] for row in tested]), strict=True):
                row["p_holm"] = p
            found += [{**dict(zip(ASKED, key, strict=True)), "slice": name, **row} for row in table]
    return found


def worst_cases(answers: Sequence[Record]) -> list[Record]:
    """Compare clean accuracy with the worst that the conditions make of it.

    Args:
        answers: Rows of ``Diagnosis.answers``.

    Returns:
        A row for each way, scoring and family: ``n`` items of ``clusters``; the ``condition`` that loses most
        against the clean one on the items it fits, the accuracy ``worst`` under it, and of the same ``worst_n`` items
        the ``clean`` accuracy; ``ignored``, the conditions that fit fewer than ``MINIMUM`` items; and ``always``, the
        share of items that are right clean and under every condition, with its Wilson interval.
    """
    found = []
    for key, rows in grouped(answers, *ASKED):
        worst = worst_case({c: {r["id"]: r["correct"] for r in part} for (c,), part in grouped(rows, "condition")})
        items = [(item[0]["cluster"], all(r["correct"] for r in item)) for _, item in grouped(rows, "id")]
        clusters = [cluster for cluster, _ in items]
        always = clustered_rate([right for _, right in items], clusters)
        found.append(
            {
                **dict(zip(ASKED, key, strict=True)),
                "n": len(items),
                "clusters": len(set(clusters)),
                "condition": worst.condition,
                "worst": worst.accuracy,
                "worst_n": worst.n,
                "clean": worst.clean,
                "ignored": list(worst.ignored),
                "always": always.value,
                "always_low": always.low,
                "always_high": always.high,
            }
        )
    return found


def of_their_own(rows: Sequence[Record]) -> list[Record]:
    """Return rows of a summary from before items had clusters: there, each was one of its own."""
    return [{**row, "clusters": row["n"]} for row in rows]


def _slices(rows: Sequence[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Cut by task and by tag, where that says more than all items do."""
    yield ALL, list(rows)
    tasks = sorted({r["task"] for r in rows})
    for task in tasks if len(tasks) > 1 else ():
        yield f"task: {task}", [r for r in rows if r["task"] == task]
    for tag in sorted({tag for r in rows for tag in r["tags"]}):
        yield f"tag: {tag}", [r for r in rows if tag in r["tags"]]


def _effect(condition: str, rows: Sequence[Record], table: Sequence[Record], seed: int) -> dict[str, Any]:
    accuracy, clusters = _rate(rows, "correct"), [r["cluster"] for r in rows]
    row: dict[str, Any] = {
        "condition": condition,
        "n": len(rows),
        "clusters": len(set(clusters)),
        "accuracy": accuracy.value,
        "accuracy_low": accuracy.low,
        "accuracy_high": accuracy.high,
        "collapsed": _share(rows, "collapsed"),
        "named": sum(r["named"] >= 0 for r in rows),
    }
    row["followed"] = _share([r for r in rows if r["named"] >= 0], "followed") if row["named"] else None
    if condition == CLEAN:
        empty = ("changed", "changed_low", "changed_high", "harmful", "helpful", "difference", "difference_low")
        return row | dict.fromkeys((*empty, "difference_high", "p", "p_holm", *_DISTANCE_COLUMNS))
    changed = _rate(rows, "changed")
    clean = {r["id"]: r["correct"] for r in table if r["condition"] == CLEAN}
    test = paired_difference([r["correct"] for r in rows], [clean[r["id"]] for r in rows], seed, clusters=clusters)
    return row | {
        "changed": changed.value,
        "changed_low": changed.low,
        "changed_high": changed.high,
        "harmful": _share(rows, "harmful"),
        "helpful": _share(rows, "helpful"),
        "difference": test.difference,
        "difference_low": test.low,
        "difference_high": test.high,
        "p": test.p,
        "p_holm": None,
        **_distances(rows, seed),
    }


_DISTANCE_COLUMNS = tuple(f"{name}{end}" for name in DISTANCES for end in ("", "_low", "_high"))


def _distances(rows: Sequence[Record], seed: int) -> dict[str, float | None]:
    found: dict[str, float | None] = dict.fromkeys(_DISTANCE_COLUMNS)
    for name, bounds in DISTANCES.items():
        own = [r for r in rows if r[name] is not None and r[name] == r[name]]
        if own:
            clusters = [r["cluster"] for r in own]
            mean = bootstrap_mean([r[name] for r in own], seed, clusters=clusters, bounds=bounds)
            found |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
    return found


def _rate(rows: Sequence[Record], column: str) -> Interval:
    return clustered_rate([bool(r[column]) for r in rows], [r["cluster"] for r in rows])


def _share(rows: Sequence[Record], column: str) -> float:
    return sum(bool(r[column]) for r in rows) / len(rows)
