"""A circuits study in numbers: heads, and rates with intervals in which the answers to one item count together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch

from trimtab.circuits import HeadScores, how_many, jaccard, stability, top_heads
from trimtab.modalities import MODALITIES, Modality, in_order
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import Interval, clustered_rate, paired_difference


def modalities_of(summary: Mapping[str, Any]) -> tuple[Modality, ...]:
    """Return the modalities that the items of a study set against each other, in the order of tables."""
    return in_order(row["target"] for row in summary["baseline"])


def together(modalities: Sequence[Modality]) -> str:
    """Return what all of some modalities are called: ``both`` of two, else ``all``."""
    return "both" if len(modalities) == 2 else "all"


def head_rows(scores: Mapping[str, HeadScores]) -> list[Record]:
    """List every head's mean scores under each instruction, with its role."""
    return [
        {
            "score": name,
            "layer": layer,
            "head": head,
            **{target: float(found.mean(target)[layer, head]) for target in found.modalities},
            "mean": float(found.mean()[layer, head]),
            "role": found.role((layer, head)),
        }
        for name, found in scores.items()
        for layer in range(found.values.shape[1])
        for head in range(found.values.shape[2])
    ]


def choices(scores: Mapping[str, HeadScores], share: float, seed: int = 0) -> list[Record]:
    """Say of each score which heads it chooses, and how stable the choice is."""
    rows = []
    for name, found in scores.items():
        count = how_many(found.values[0].numel(), share)
        heads = top_heads(found.mean(), count)
        halves = stability(found, count, seed=seed)
        shared = jaccard(*(top_heads(found.mean(target), count) for target in found.modalities))
        rows.append(
            {
                "score": name,
                "heads": [list(head) for head in heads],
                "roles": [found.role(head) for head in heads],
                **halves._asdict(),
                "shared_by_instructions": shared,
            }
        )
    return rows


def condition_rates(rows: Sequence[Record]) -> list[Record]:
    """Count correct, opposite, other and collapsed answers by condition and measure, all instructions also together.

    Returns:
        ``condition, measure, n, items, rate`` with its Wilson interval, ``opposite, other, collapse``, and the
        difference to the intact model on the same questions: ``difference`` with its interval, and McNemar's ``p`` or
        its form for clusters.
    """
    found = []
    asked = [{**row, "named": row["measure"]} for row in rows]  # with what is named, questions are unique
    asked += [{**row, "measure": "following"} for row in asked if row["measure"] in MODALITIES]
    intact = {(r["measure"], r["id"], r["named"]): r for r in asked if r["condition"] == "intact"}
    for (condition, measure), part in grouped(asked, "condition", "measure"):
        ids = [row["id"] for row in part]
        n, rate = len(part), clustered_rate([row["correct"] for row in part], ids)
        paired = [(row["correct"], intact[row["measure"], row["id"], row["named"]]["correct"]) for row in part]
        change = paired_difference([a for a, _ in paired], [b for _, b in paired], clusters=ids)
        found.append(
            {
                "condition": condition,
                "measure": measure,
                "n": n,
                "items": change.clusters,
                "rate": rate.value,
                "rate_low": rate.low,
                "rate_high": rate.high,
                "opposite": sum(row["opposite"] for row in part) / n,
                "other": sum(row["label"] == "other" for row in part) / n,
                "collapse": sum(row["collapsed"] for row in part) / n,
                "difference": change.difference,
                "difference_low": change.low,
                "difference_high": change.high,
                "p": change.p,
            }
        )
    return found


def recovery(rows: Sequence[Record], condition: str, modalities: Sequence[Modality]) -> list[Record]:
    """Count what an amplification repairs and what it breaks, by named modality and together.

    Failures count only where the model is able: it answers the item right from each modality alone (``able``); all
    failures are given beside them.

    Args:
        rows: Answers to test items.
        condition: The amplification.
        modalities: Those that the items set against each other.

    Returns:
        ``target, failed, repaired`` (share of the failures that follow now), ``able_failed`` of ``able_items`` items,
        ``able_repaired`` with its interval, ``followed, broken`` (share of the items followed before that no longer
        are) and ``net`` (change of the following rate) with its interval.
    """
    before = {(r["measure"], r["id"]): r["correct"] for r in rows if r["condition"] == "intact"}
    after = {(r["measure"], r["id"]): r["correct"] for r in rows if r["condition"] == condition}
    able = {i for _, i in before if all(before.get((f"{m} only", i)) for m in modalities)}
    found = []
    for target in (*modalities, together(modalities)):
        counted = (target,) if target in modalities else modalities
        asked = [key for key in before if key[0] in counted and key in after]
        failed, followed = [k for k in asked if not before[k]], [k for k in asked if before[k]]
        able_failed = [k for k in failed if k[1] in able]
        share = clustered_rate([after[k] for k in able_failed], [i for _, i in able_failed]) if able_failed else None
        net = _net(asked, before, after)
        found.append(
            {
                "target": target,
                "failed": len(failed),
                "repaired": _share(after[k] for k in failed),
                "able_failed": len(able_failed),
                "able_items": len({item for _, item in able_failed}),
                **_ends("able_repaired", share),
                "followed": len(followed),
                "broken": _share(not after[k] for k in followed),
                **_ends("net", net),
            }
        )
    return found


def perplexities(rows: Sequence[Record]) -> list[Record]:
    """Return the perplexity of the contexts under each condition, all tokens weighing the same."""
    found = []
    for (condition,), part in grouped(rows, "condition"):
        tokens = sum(row["tokens"] for row in part)
        nats = sum(row["nats"] * row["tokens"] for row in part) / tokens
        found.append({"condition": condition, "tokens": tokens, "perplexity": float(torch.tensor(nats).exp())})
    return found


def _net(asked: Sequence[tuple[str, str]], before: Mapping[Any, bool], after: Mapping[Any, bool]) -> Interval:
    """Return the change of the following rate; 0 where nothing was asked."""
    if not asked:
        return Interval(0.0, 0.0, 0.0)
    found = paired_difference([after[k] for k in asked], [before[k] for k in asked], clusters=[i for _, i in asked])
    return Interval(found.difference, found.low, found.high)


def _ends(name: str, found: Interval | None) -> dict[str, float | None]:
    value, low, high = (None, None, None) if found is None else found
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _share(values: Iterable[bool]) -> float | None:
    own = list(values)
    return sum(own) / len(own) if own else None
