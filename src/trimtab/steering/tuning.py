"""Choose layer, strength and variant of a method on validation items."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from trimtab.engine import MAX_NEW_TOKENS, ModelOrEngine, Prompt, generate, require
from trimtab.errors import UsageError
from trimtab.fields import check_value
from trimtab.items import Item, Judgement, is_remembered, items_fingerprint, judge, remembered, valid_answers
from trimtab.items.admission import Admitted, admit_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import MODALITIES, Modality, others
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.looking import asks_together
from trimtab.steering.method import Method, VectorMethod, default_layer
from trimtab.steering.states import instructed
from trimtab.steering.training_set import TrainingSet

logger = logging.getLogger(__name__)

STRENGTHS = (0.25, 0.5, 0.75, 1.0, 1.5, 2.0)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One choice: a fitted variant at a strength."""

    variant: str
    artifact: Artifact


def tune(
    method: Method,
    model: ModelOrEngine,
    train: Sequence[Item] | TrainingSet,
    validation: Sequence[Item],
    layers: Sequence[int] | None = None,
    strengths: Sequence[float] = STRENGTHS,
    progress: Progress = SILENT,
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
) -> Artifact:
    """Fit a method at each layer and keep the best layer, strength and variant.

    The best has the highest following rate less collapse rate of greedy open answers on validation items; answers
    under a steering that leaves no finite logits are collapsed. Ties go to the smaller strength, then to the earlier
    layer. Training states are collected once for all layers, and all candidates answer in one ``generate`` call.

    Args:
        method: The method; for AMPS with ``reading="auto"`` the reading is chosen, too.
        model: The model.
        train: Items to fit on, or a ``TrainingSet`` that other ``tune`` calls share.
        validation: Items to choose by; those that the model cannot take are left out and logged.
        layers: Candidate layers. Left out, the method's own, or else that at half the depth.
        strengths: Candidate strengths. Neither they nor the layers matter to a method that edits nothing.
        progress: Told of prompts, items or answers as they finish.
        max_new_tokens: Longest answer in tokens.

    Returns:
        The chosen artifact. Its metrics hold its own rates under ``validation`` and everybody's under ``grid``.

    Raises:
        UsageError: There is nothing to choose from or by, or a layer does not exist.
    """
    _check(method, layers, strengths)
    require(model, *method.needs, owner="tune")
    asked = _admitted(model, validation, max_new_tokens)
    prompts, items = [own[0] for own in asked.prompts], asked.items
    _warn_of_shared(train.given if isinstance(train, TrainingSet) else train, items)
    candidates = _candidates(method, model, train, layers, strengths, progress)
    given = asks_together(model, prompts, [(c.artifact, c.artifact.strength) for c in candidates])
    asks = [ask for own in given for ask in own]
    texts = generate(model, asks, max_new_tokens=max_new_tokens, progress=progress, keep_broken=True).texts
    known = valid_answers([*(train.given if isinstance(train, TrainingSet) else train), *items])
    grid = []
    for k, candidate in enumerate(candidates):
        answers = texts[k * len(items) : (k + 1) * len(items)]
        judged = [judge(a, item, known[item.task]) for a, item in zip(answers, items, strict=True)]
        grid.append(_describe(candidate) | _rates(judged, method.target))
    best = max(range(len(grid)), key=lambda k: _merit(grid[k]))
    chosen = candidates[best].artifact
    about = {"skipped": len(asked.skipped), "data_fingerprint": items_fingerprint(items)}
    found = {"validation": {**grid[best], **about}, "grid": grid}
    fitted = chosen.fitted_items + remembered(items)
    return replace(chosen, fitted_items=fitted, metrics={**chosen.metrics, **found})


def _check(method: object, layers: Sequence[int] | None, strengths: Sequence[float]) -> None:
    """Refuse what cannot be chosen from."""
    check_value("strengths", "tune", tuple[float, ...], strengths)
    check_value("layers", "tune", tuple[int, ...] | None, layers)
    if not isinstance(method, Method):
        raise UsageError(f"`method` of tune must be a method, such as trimtab.L2S(target='image'); got {method!r:.60}.")
    if not strengths or not all(map(math.isfinite, strengths)):
        raise UsageError(
            f"`strengths` of tune must be one or more finite numbers; got {list(strengths)}; leave them "
            f"out for {STRENGTHS}."
        )


def _admitted(model: ModelOrEngine, validation: Sequence[Item], new_tokens: int) -> Admitted:
    """Return the items to choose by that the model can be asked, with their prompts."""
    what = "`validation` of tune"

    def ask(item: Item) -> list[Prompt]:
        return [prompt_for(item)]

    found = admit_items(model, validation, ask, what, also=instructed, new_tokens=new_tokens, conflicts=True)
    return found.require(what)


def _warn_of_shared(train: Sequence[Item], validation: Sequence[Item]) -> None:
    """Say how many items are to choose by that are learned from: on those, what was learned by heart looks best."""
    kept = remembered(train)
    if shared := sum(is_remembered(item, kept) for item in validation):
        logger.warning(
            "%d of the %d validation items are training items too, so the choice is too sure; choose by others.",
            shared, len(validation),
        )  # fmt: skip


def _candidates(
    method: Method,
    model: ModelOrEngine,
    train: Sequence[Item] | TrainingSet,
    layers: Sequence[int] | None,
    strengths: Sequence[float],
    progress: Progress,
) -> list[_Candidate]:
    """Fit every variant at every layer, and take each at every strength."""
    if not isinstance(method, VectorMethod):
        return [
            _Candidate(name, artifact.with_strength(strength))
            for name, variant in method.variants().items()
            for artifact in [variant.fit(model, train, progress)]
            for strength in (strengths if artifact.has_strength else [artifact.strength])
        ]
    if layers is None:
        layers = [default_layer(model) if method.layer is None else method.layer]
    if not layers:
        raise UsageError("`layers` of tune must hold at least one layer; got none; leave it out for the default.")
    shared = train if isinstance(train, TrainingSet) else TrainingSet(model, train, layers, progress)
    return [
        _Candidate(name, artifact.with_strength(strength))
        for name, variant in method.variants().items()
        if isinstance(variant, VectorMethod)
        for layer in layers
        for artifact in [replace(variant, layer=layer).fit(model, shared)]
        for strength in strengths
    ]


def _describe(candidate: _Candidate) -> dict[str, Any]:
    artifact = candidate.artifact
    return {"variant": candidate.variant, "layer": artifact.layer, "strength": artifact.strength}


def _rates(judged: Sequence[Judgement], target: Modality) -> dict[str, Any]:
    n, labels = len(judged), Counter(j.label for j in judged)
    return {
        "items": n,
        "following": labels[target] / n,
        "opposite": sum(labels[other] for other in others(target, MODALITIES)) / n,
        "other": labels["other"] / n,
        "collapse": sum(j.collapsed for j in judged) / n,
    }


def _merit(found: dict[str, Any]) -> tuple[float, float, float]:
    """Order candidates: rates first, rounded so that equal counts tie, then caution."""
    merit = round(found["following"] - found["collapse"], 9)
    return merit, -abs(found["strength"]), -(found["layer"] or 0)
