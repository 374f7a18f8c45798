"""What the finished steps of a circuits study say to later ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from trimtab.circuits import HeadScores
from trimtab.circuits.readouts import FOLLOWING, LABELS
from trimtab.modalities import Modality
from trimtab.studies.circuits.choosing import choose_amplification, choose_score
from trimtab.studies.circuits.plan import SCORES, CircuitsPlan
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import joined
from trimtab.studies.kit.study import Results


def follow_all(baseline: Sequence[Mapping[str, Any]], modalities: Sequence[Modality]) -> set[str]:
    """Return the ids of the items that follow under the instruction for each of some modalities."""
    followed = {(row["id"], row["target"]) for row in baseline if row["label"] == LABELS[FOLLOWING]}
    return {item for item, _ in followed if {(item, target) for target in modalities} <= followed}


def rows_of(done: Results, sort: str) -> list[dict[str, Any]]:
    """Return the rows of the steps of one sort."""
    return records(joined(step for name, step in done.items() if name.startswith(f"{sort}-")))


def scores_of(done: Results) -> dict[str, HeadScores]:
    """Return the finished scores of all heads, by their name."""
    found = {name: scores_in(done, name, f"scores-{name}") for name in SCORES}
    return {name: scores for name, scores in found.items() if scores is not None}


def scores_in(done: Results, name: str, step: str) -> HeadScores | None:
    """Return the scores of all heads that a step stored; None if it had nothing to score."""
    table, notes = done[step]
    if not len(table):
        return None
    values = torch.tensor(table.drop(columns=["id", "target"]).to_numpy(), dtype=torch.float64)
    return HeadScores(name, values.unflatten(1, (notes["layers"], -1)), tuple(table["target"]), tuple(table["id"]))


def choice_of(plan: CircuitsPlan, done: Results) -> dict[str, Any]:
    """Return the choice of heads and amplification that the finished steps lead to."""
    scored = choose_score(plan, scores_of(done), rows_of(done, "choose-score"))
    return scored | choose_amplification(plan, rows_of(done, "choose-strength"))
