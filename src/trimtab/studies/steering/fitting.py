"""Fit one method of a study; layer and strength are chosen on validation items."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from trimtab.items import Item
from trimtab.modalities import Modality
from trimtab.steering import METHODS, Artifact, Method, TrainingSet, make_method, tune
from trimtab.steering.method import VectorMethod
from trimtab.studies.steering.plan import Plan


def fit_method(
    plan: Plan, name: str, target: Modality, train: TrainingSet, validation: Sequence[Item], joint: Sequence[Item]
) -> Artifact:
    """Fit a method for a target.

    Args:
        plan: The study.
        name: One of its methods.
        target: The modality to follow.
        train: Items to fit on, with what the methods share.
        validation: Items to choose on.
        joint: Items that need both modalities, for methods that learn from such, too.

    Returns:
        The artifact at the layer and strength that are best on the validation items.
    """
    method = _method(plan, name, target, plan.seeds_of(name)[0])
    label, part = _label(plan, name), _part(plan, name, train, joint)
    if not method.has_strength:
        return replace(method.fit(train.model, part), label=label)
    chosen = tune(
        method,
        train.model,
        part,
        validation,
        _layers(plan, name, train.model.n_layers) if method.adds_vector else None,
        plan.strengths_of(name),
        max_new_tokens=plan.longest_answer,
    )
    return replace(chosen, label=label)


def candidates(plan: Plan, name: str, target: Modality) -> int:
    """Return how many candidates a fit tries on the validation items, at most: no model is needed for it."""
    spec, method = plan.spec(name), _method(plan, name, target, plan.seeds_of(name)[0])
    if not method.has_strength or spec.chosen_as:
        return 0
    layers = len(spec.options.get("layers", plan.depths)) if method.adds_vector else 1
    return layers * len(plan.strengths_of(name)) * len(method.variants())


def fit_again(plan: Plan, name: str, first: Artifact, seed: int, train: TrainingSet, joint: Sequence[Item]) -> Artifact:
    """Fit a method at the layer, strength and reading that were chosen for another artifact.

    Args:
        plan: The study.
        name: One of its methods.
        first: The artifact of the method's first seed, or of the method whose layer and strength it takes.
        seed: Its own seed.
        train: Items to fit on, with what the methods share.
        joint: See ``fit_method``.
    """
    method = _method(plan, name, first.target, seed)
    if first.method == method.name and "validation" in first.metrics:
        method = method.variants()[first.metrics["validation"]["variant"]]
    if isinstance(method, VectorMethod):
        method = replace(method, layer=first.layer)
    found = method.fit(train.model, _part(plan, name, train, joint))
    return replace(found, label=_label(plan, name), strength=first.strength)


def _method(plan: Plan, name: str, target: Modality, seed: int) -> Method:
    spec = plan.spec(name)
    known = {option.name for option in fields(METHODS[spec.method])}
    defaults: dict[str, Any] = {"seed": seed, "strengths": plan.strengths_of(name)}
    if "layers" in spec.options:
        defaults["layers"] = tuple(spec.options["layers"])
    options = {key: value for key, value in defaults.items() if key in known} | spec.own_options
    return make_method(spec.method, {"target": target, **options})


def _layers(plan: Plan, name: str, n_layers: int) -> Sequence[int]:
    return plan.spec(name).options.get("layers", plan.layers(n_layers))


def _label(plan: Plan, name: str) -> str:
    return "" if name == plan.spec(name).method else name


def _part(plan: Plan, name: str, train: TrainingSet, joint: Sequence[Item]) -> TrainingSet | list[Item]:
    options = plan.spec(name).options
    part = train.part(options.get("train_items"), options.get("train_tasks"))
    return [*part.given, *joint[: options["joint_items"]]] if "joint_items" in options else part


def layers_needed(plan: Plan, n_layers: int) -> list[int]:
    """Return every layer that some method of a study reads: the plan's own and those of variants."""
    named = [layer % n_layers for m in plan.methods for layer in plan.spec(m).options.get("layers", ())]
    return sorted({*plan.layers(n_layers), *named})
