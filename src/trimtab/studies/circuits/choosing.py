"""Which heads a circuits study chooses and how strongly it amplifies them, and what it tries on test items."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from trimtab.circuits import (
    SCOPES,
    Cases,
    Condition,
    Head,
    HeadScores,
    HeadSet,
    every_head,
    how_many,
    layer_matched_heads,
    mean_norms,
    mean_outputs,
    norm_matched_heads,
    parts_of,
    random_heads,
    shuffled,
    top_heads,
)
from trimtab.circuits.interventions import choose_strength
from trimtab.engine import ModelOrEngine
from trimtab.modalities import MODALITIES
from trimtab.studies.circuits.plan import CircuitsPlan
from trimtab.studies.kit.records import Record, grouped

Scores = Mapping[str, HeadScores]
Heads = tuple[Head, ...]

MakeHeadSet = Callable[[Sequence[Head], float], HeadSet]
"""Makes a set of some heads at a strength, of the study's model and scope."""


def best_heads(plan: CircuitsPlan, scores: Scores) -> dict[str, Heads]:
    """Return the heads that each score would choose."""
    return {name: tuple(top_heads(found.mean(), _count(plan, found))) for name, found in scores.items()}


def choose_score(plan: CircuitsPlan, scores: Scores, tried: Sequence[Record]) -> dict[str, Any]:
    """Choose the score whose heads carry following.

    It is the one whose blocked heads lower following most beyond what they lower plain abilities: a head that every
    answer needs would lower both.

    Args:
        plan: The study.
        scores: All scores.
        tried: Answers to validation items, intact and with each score's heads blocked.
    """
    tops = best_heads(plan, scores)
    following = _share_right([row for row in tried if row["measure"] in MODALITIES])
    abilities = _share_right([row for row in tried if row["measure"] not in MODALITIES])
    left = {name: following[name] - abilities.get(name, 0.0) for name in tops}
    score = min(tops, key=lambda name: (round(left[name], 9), list(tops).index(name)))
    return {
        "score": score,
        "share": plan.share,
        "count": _count(plan, scores[score]),
        "heads": [list(head) for head in tops[score]],
        "roles": [scores[score].role(head) for head in tops[score]],
        "validation": following,
        "validation_abilities": abilities,
    }


def amplifications(plan: CircuitsPlan) -> dict[str, float]:
    """Return the strength of each candidate amplification, by its name."""
    return {f"amplified x{factor:g}": factor - 1 for factor in plan.factors}


def choose_amplification(plan: CircuitsPlan, tried: Sequence[Record]) -> dict[str, Any]:
    """Choose how strongly to amplify, by answers to validation items under each candidate."""
    strengths = amplifications(plan)
    best = choose_strength(tried, strengths)
    return {"amplification": best, "strength": strengths[best], "amplifications": _share_right(tried)}


def tried_conditions(
    plan: CircuitsPlan,
    model: ModelOrEngine,
    cases: Cases,
    scores: HeadScores,
    choice: Mapping[str, Any],
    head_set: MakeHeadSet,
) -> list[Condition]:
    """List what is tried on test items: the chosen heads, smaller and larger sets, and controls of the same size."""
    strength, chosen = choice["strength"], heads_of(choice)
    sets = _sets(plan, model, cases, scores, chosen)
    means = torch.stack([mean_outputs(model, cases, part) for part in parts_of(plan.scope)])
    values = torch.stack([means[:, layer, head] for layer, head in chosen], 1)
    by_mean = replace(head_set(chosen, -1.0), reference="mean", values=values)
    return [
        Condition("intact"),
        *(Condition(name, head_set(heads, -1.0)) for name, heads in sets.items() if heads),
        Condition("blocked by mean", by_mean),
        Condition(f"amplified x{1 + strength:g}", head_set(chosen, strength)),
        Condition(f"random amplified x{1 + strength:g}", head_set(sets["random 1"], strength)),
    ]


def _sets(
    plan: CircuitsPlan, model: ModelOrEngine, cases: Cases, scores: HeadScores, chosen: Heads
) -> dict[str, Sequence[Head]]:
    everything = every_head(model)
    sets: dict[str, Sequence[Head]] = {"blocked": chosen}
    for share in plan.shares:
        count = how_many(len(everything), share)
        if count != len(chosen):
            sets[f"blocked top {count}"] = top_heads(scores.mean(), count)
    for target in scores.modalities:
        sets[f"blocked top for {target}"] = top_heads(scores.mean(target), len(chosen))
    for number in range(1, plan.random_sets + 1):
        sets[f"random {number}"] = random_heads(everything, chosen, plan.seed + number)
        sets[f"same layers {number}"] = layer_matched_heads(everything, chosen, plan.seed + number)
    at = tuple(place for place in SCOPES[plan.scope] if place != "generated")
    sets["same norms"] = norm_matched_heads(mean_norms(model, cases, at), chosen)
    if scores.signed and len(scores.modalities) == 2:  # among more, nothing is the mirror of a label
        sets["shuffled labels"] = top_heads(shuffled(scores, plan.seed).mean(), len(chosen))
    sets["lowest"] = top_heads(-scores.mean(), len(chosen))
    return sets


def heads_of(choice: Mapping[str, Any]) -> Heads:
    """Return the chosen heads, (layer, head)."""
    return tuple((layer, head) for layer, head in choice["heads"])


def _count(plan: CircuitsPlan, scores: HeadScores) -> int:
    return how_many(scores.values[0].numel(), plan.share)


def _share_right(rows: Sequence[Record]) -> dict[str, float]:
    """Return the share of right answers under each condition."""
    return {name: sum(row["correct"] for row in part) / len(part) for (name,), part in grouped(rows, "condition")}
