"""Rates out of judged answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.contribution.scores import RATIO, SHARE, SYNERGY, measured_in
from trimtab.modalities import MODALITIES, PAIR, Modality, in_order
from trimtab.studies.kit.protocols import INCONSISTENT
from trimtab.studies.kit.records import Record, by_task, grouped, records
from trimtab.studies.kit.statistics import PairedDifference, bootstrap_mean, clustered_rate, paired_difference

if TYPE_CHECKING:
    from pandas import DataFrame

CONDITION = ("model", "method", "target", "protocol", "strength")
"""What tells one condition of a study from another."""


def rates(answers: DataFrame) -> DataFrame:
    """Count, for each condition, the answers that follow the target, one of the other modalities, or neither.

    Following, others and other rate sum to 1. A collapsed answer is always an ``other`` one, so the collapse
    rate is a part of the other rate.

    Args:
        answers: Rows of ``Evaluation.answers``. With a column ``seed``, those of several seeds, whose mean is taken.

    Returns:
        A row for each condition and task, and one over all tasks (``"all"``): ``n``, ``following`` with its Wilson
        interval ``following_low`` and ``following_high`` (at the effective number of items), ``others``,
        ``other``, ``collapse`` and ``inconsistent``, the share of answers that depend on the order of the options.
    """
    from pandas import DataFrame

    return DataFrame(
        {**dict(zip(CONDITION, key, strict=True)), "task": task, **_rates_of(part, key[CONDITION.index("target")])}
        for key, group in grouped(records(answers), *CONDITION)
        for task, part in by_task(group)
    )


def contribution_rates(contributions: list[Record], seed: int = 0) -> list[Record]:
    """Average visual ratios by task and over all tasks; of other modalities than image and text, each one's share.

    Where the method knows the modalities' synergy, that is averaged beside them. Shares of different sets of
    modalities do not compare, so items of each set are averaged apart.

    Args:
        contributions: Rows of ``Contributions``.
        seed: Seed of the bootstrap.

    Returns:
        ``task, n, ratio, ratio_low, ratio_high``, a row for each task that has a ratio, over the items that have one;
        for other modalities ``share_audio, share_audio_low, share_audio_high`` and so on; likewise ``synergy``, without
        an interval (None) where all items have the same. Where items were measured for different sets of modalities,
        the rows of one set follow those of another; ``by_modalities`` tells them apart.
    """
    sets: dict[tuple[Modality, ...], list[Record]] = {}
    for row in contributions:
        sets.setdefault(measured_in(row), []).append(row)
    return [row for modalities, own in sets.items() for row in _rates_of_set(modalities, own, seed)]


def share_columns(modalities: tuple[Modality, ...]) -> tuple[str, ...]:
    """Return the columns of ``contribution_rates`` for items of some modalities: ``ratio``, or a share for each."""
    return (RATIO,) if modalities == PAIR else tuple(map(SHARE.format, modalities))


def by_modalities(rates: Sequence[Record]) -> dict[tuple[Modality, ...], list[Record]]:
    """Group rows of ``contribution_rates`` by the modalities that their items were measured for."""
    found: dict[tuple[Modality, ...], list[Record]] = {}
    for row in rates:
        own = PAIR if RATIO in row else in_order(name for name in MODALITIES if SHARE.format(name) in row)
        found.setdefault(own, []).append(row)
    return found


def _rates_of_set(modalities: tuple[Modality, ...], contributions: list[Record], seed: int) -> list[Record]:
    rows = []
    for task, part in by_task(contributions):
        names = [name for name in (*share_columns(modalities), SYNERGY) if name in part[0]]
        usable = [row for row in part if not any(math.isnan(row[name]) for name in names)]
        if usable:
            found: Record = {"task": task, "n": len(usable)}
            for name in names:
                bounds = None if name == SYNERGY else (0, 1)
                mean = bootstrap_mean([row[name] for row in usable], seed, bounds=bounds)
                found |= {name: mean.value, f"{name}_low": mean.low, f"{name}_high": mean.high}
            rows.append(found)
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
    return paired_by_item(_followed(answers, first), _followed(answers, second), seed)


def oracle_rates(answers: Sequence[Record]) -> list[Record]:
    """Count the items that a method makes follow the target at some strength: what a perfect choice could reach.

    Only items that a method was swept on count, and of these the plain prompt is one of the choices.

    Args:
        answers: Rows of ``Evaluation.answers``, of methods with a strength and of ``none``.

    Returns:
        ``model, method, target, protocol, n, strengths, following`` for each method with several strengths;
        ``best_fixed``, the rate of its best single strength on the same items; and ``beside``, the rate of
        every method at its own strength, on the same items.
    """
    rows = []
    for key, group in grouped(answers, "model", "method", "target", "protocol"):
        tried = {strength for (strength,), _ in grouped(group, "strength")}
        by_item = {item: part for (item,), part in grouped(group, "id")}
        swept = {item: part for item, part in by_item.items() if {r["strength"] for r in part} == tried}
        if len(tried) < 2 or not swept:
            continue
        plain = {
            r["id"]: r["label"] == r["target"]
            for r in answers
            if r["method"] == "none" and (r["model"], r["target"], r["protocol"]) == (key[0], key[2], key[3])
        }
        hits = [plain.get(i, False) or any(r["label"] == r["target"] for r in part) for i, part in swept.items()]
        fixed = [sum(_hit(part, s) for part in swept.values()) for s in tried]
        found = {"n": len(hits), "strengths": len(tried), "following": sum(hits) / len(hits)}
        names = dict(zip(("model", "method", "target", "protocol"), key, strict=True))
        same = {k: v for k, v in names.items() if k != "method"}
        beside = [r for r in answers if r["chosen"] and r["id"] in swept and same.items() <= r.items()]
        rows.append(
            {
                **names,
                **found,
                "best_fixed": max(fixed) / len(hits),
                "beside": {
                    method: sum(r["label"] == r["target"] for r in part) / len(part)
                    for (method,), part in grouped(beside, "method")
                },
            }
        )
    return rows


def preference_rates(answers: Sequence[Record]) -> list[Record]:
    """Split every condition's items by what the model answers without steering (Figure 1 of AMPS).

    Returns:
        ``model, method, target, protocol, strength, preference, n, following, collapse``; ``preference`` is the label
        of the item's unsteered answer.
    """
    plain = {(r["model"], r["protocol"], r["id"]): r["label"] for r in answers if r["method"] == "none"}
    judged = [
        {**r, "preference": plain[r["model"], r["protocol"], r["id"]]}
        for r in answers
        if (r["model"], r["protocol"], r["id"]) in plain
    ]
    return [
        {
            **dict(zip((*CONDITION, "preference"), key, strict=True)),
            "n": len(part),
            "following": sum(r["label"] == r["target"] for r in part) / len(part),
            "collapse": sum(r["collapsed"] for r in part) / len(part),
        }
        for key, part in grouped(judged, *CONDITION, "preference")
    ]


def _hit(part: Sequence[Record], strength: float) -> bool:
    return any(r["label"] == r["target"] for r in part if r["strength"] == strength)


def paired_by_item(
    first: Mapping[str, Sequence[bool]],
    second: Mapping[str, Sequence[bool]],
    seed: int = 0,
    clusters: Mapping[str, Hashable] | None = None,
) -> PairedDifference:
    """Compare two conditions on the items that both have; an item's answers of several seeds are one cluster.

    Args:
        first: Whether the first condition holds in each item, seed by seed.
        second: The same for the second condition, which may have another number of seeds.
        seed: Seed of the bootstrap.
        clusters: What cluster each item is of; left out, each is its own.

    Returns:
        The comparison, with counts of items: of several seeds, those of a mean seed, rounded.

    Raises:
        UsageError: The two conditions share no item.
    """
    items = [item for item in first if item in second]
    times = math.lcm(*(len(own[item]) for own in (first, second) for item in items)) if items else 1
    a, b = ([hit for item in items for hit in [*own[item]] * (times // len(own[item]))] for own in (first, second))
    of = {item: item for item in items} if clusters is None else clusters
    found = paired_difference(a, b, seed, clusters=[of[item] for item in items for _ in range(times)])
    counts = (round(count / times) for count in (found.first_only, found.second_only))
    return found._replace(n=len(items), first_only=next(counts), second_only=next(counts))


def by_item(answers: Sequence[Record], holds: Callable[[Record], bool]) -> dict[str, list[bool]]:
    """Return by an item's id whether something holds of its answers: one, or one for each seed."""
    return {item: [holds(row) for row in part] for (item,), part in grouped(answers, "id")}


def _followed(answers: Sequence[Record], condition: dict[str, Any]) -> dict[str, list[bool]]:
    return by_item([row for row in answers if condition.items() <= row.items()], _follows)


def _follows(row: Record) -> bool:
    return row["label"] == row["target"]


def seed_rates(answers: Sequence[Record]) -> list[Record]:
    """Return the range over seeds of each condition's following rate, where there are several seeds.

    Args:
        answers: Rows of ``Evaluation.answers`` with a column ``seed``.

    Returns:
        ``model, method, target, protocol, strength, seeds, following``, the mean, and ``lowest`` and ``highest``.
    """
    rows = []
    for key, group in grouped(answers, *CONDITION):
        found = [sum(map(_follows, part)) / len(part) for _, part in grouped(group, "seed")]
        if len(found) > 1:
            spread = {"following": sum(found) / len(found), "lowest": min(found), "highest": max(found)}
            rows.append({**dict(zip(CONDITION, key, strict=True)), "seeds": len(found), **spread})
    return rows


def _rates_of(part: list[Record], target: Modality) -> dict[str, Any]:
    n, labels = len(part), [row["label"] for row in part]
    following = clustered_rate([*map(_follows, part)], [row["id"] for row in part])
    return {
        "n": len({row["id"] for row in part}),
        "following": following.value,
        "following_low": following.low,
        "following_high": following.high,
        "others": sum(label not in (target, "other") for label in labels) / n,
        "other": labels.count("other") / n,
        "collapse": sum(row["collapsed"] for row in part) / n,
        "inconsistent": sum(row["reason"] == INCONSISTENT for row in part) / n,
    }
