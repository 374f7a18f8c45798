"""Fit one method of a study; layer and strength are chosen on validation items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from trimtab.items import Item
from trimtab.modalities import Modality
from trimtab.steering import METHODS, Artifact, TrainingSet, make_method, tune
from trimtab.studies.steering.plan import Plan


def fit_method(plan: Plan, name: str, target: Modality, train: TrainingSet, validation: Sequence[Item]) -> Artifact:
    """Fit a method for a target.

    Args:
        plan: The study.
        name: One of its methods.
        target: The modality to follow.
        train: Items to fit on, with what the methods share.
        validation: Items to choose on.

    Returns:
        The artifact at the layer and strength that are best on the validation items.
    """
    spec = plan.spec(name)
    kind = METHODS[spec.method]
    label = "" if name == spec.method else name
    known = {option.name for option in fields(kind)}
    layers = spec.options.get("layers", plan.layers(train.model.n_layers))
    strengths = tuple(spec.options.get("strengths", plan.strengths))
    defaults: dict[str, Any] = {"seed": plan.seed, "strengths": strengths}
    if "layers" in spec.options:
        defaults["layers"] = tuple(layers)
    options = {key: value for key, value in defaults.items() if key in known} | spec.own_options
    method = make_method(spec.method, {"target": target, **options})
    part = train.part(spec.options.get("train_items"), spec.options.get("train_tasks"))
    if not kind.has_strength:
        return replace(method.fit(train.model, part), label=label)
    chosen = tune(
        method,
        train.model,
        part,
        validation,
        layers if kind.adds_vector else None,
        strengths,
        max_new_tokens=plan.longest_answer,
    )
    return replace(chosen, label=label)


def layers_needed(plan: Plan, n_layers: int) -> list[int]:
    """Return every layer that some method of a study reads: the plan's own and those of variants."""
    named = [layer % n_layers for m in plan.methods for layer in plan.spec(m).options.get("layers", ())]
    return sorted({*plan.layers(n_layers), *named})
