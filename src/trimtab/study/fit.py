"""Fit one method of a study; layer and strength are chosen on validation items."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trimtab.data import Item
from trimtab.data.prompts import Modality
from trimtab.steering import METHODS, Artifact, TrainingSet, tune
from trimtab.study.plan import Plan


def fit_method(plan: Plan, name: str, target: Modality, train: TrainingSet, validation: Sequence[Item]) -> Artifact:
    """Fit a method for a target.

    Args:
        plan: The study.
        name: A key of ``trimtab.steering.METHODS``.
        target: The modality to follow.
        train: Items to fit on, with what the methods share.
        validation: Items to choose on.

    Returns:
        The artifact at the layer and strength that are best on the validation items.
    """
    kind = METHODS[name]
    if not kind.adds_vector:
        return kind(target=target).fit(train.model, train)
    options: dict[str, Any] = {"seed": plan.seed}
    return tune(
        kind(target=target, **options),
        train.model,
        train,
        validation,
        train.layers,
        plan.strengths,
        max_new_tokens=plan.max_new_tokens,
    )
