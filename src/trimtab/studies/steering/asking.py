"""Ask controls under every method, and judge the answers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from trimtab.divergences import kl
from trimtab.engine import MAX_NEW_TOKENS, Capability, ModelOrEngine, Prompt, Row, generate, require
from trimtab.items import judge, normalise
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.steering import Artifact, Ask, Asks, asks_together, first_scores
from trimtab.studies.kit.evaluation import Condition, as_asked, conditions
from trimtab.studies.steering.controls import Control

if TYPE_CHECKING:
    from pandas import DataFrame


def evaluate_controls(
    model: ModelOrEngine,
    controls: Sequence[Control],
    methods: Sequence[Artifact],
    *,
    strengths: Sequence[float] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Progress = SILENT,
) -> DataFrame:
    """Ask every control under every method and strength, openly.

    Returns:
        A row for each control and condition: ``id, kind, model, method, target, strength, chosen, prediction, right,
        collapsed``; ``right_unsteered``, whether no steering is right; ``changed``, whether its answer has other words;
        and ``divergence``, KL(steered || unsteered) of the first answer token in nats; NaN where the steering leaves no
        finite numbers.

    Raises:
        UnsupportedEngineError: The engine gives no distributions, or lacks what a method needs.
    """
    from pandas import DataFrame

    require(model, Capability.LOGITS, owner="evaluate_controls")
    ways, asks = conditions(methods, strengths), Asks()
    controls, prompts = _admitted(model, controls, ways, max_new_tokens)
    given = asks_together(model, prompts, [(way.artifact, way.strength) for way in ways])
    places = [[asks.place(ask) for ask in own] for own in given]
    unsteered = [asks.place(Row(prompt)) for prompt in prompts]
    answers = generate(model, asks.asks, max_new_tokens=max_new_tokens, progress=progress, keep_broken=True)
    texts, moved = answers.texts, _divergences(model, asks.asks, places, unsteered, answers.broken)
    table: list[dict[str, Any]] = []
    for way, way_places in zip(ways, places, strict=True):
        for control, place, plain in zip(controls, way_places, unsteered, strict=True):
            judgement, before = (judge(texts[one], control.item) for one in (place, plain))
            table.append(
                {
                    "id": control.item.id,
                    "kind": control.kind,
                    "model": model.name,
                    "method": way.artifact.name,
                    "target": way.artifact.target,
                    "strength": way.strength,
                    "chosen": way.chosen,
                    "prediction": texts[place],
                    "right": judgement.label != "other",
                    "right_unsteered": before.label != "other",
                    "changed": normalise(texts[place]) != normalise(texts[plain]),
                    "collapsed": judgement.collapsed,
                    "divergence": moved[place],
                }
            )
    return DataFrame(table)


def _admitted(
    model: ModelOrEngine, controls: Sequence[Control], ways: Sequence[Condition], new_tokens: int
) -> tuple[list[Control], list[Prompt]]:
    """Return the controls that the model can take, with their prompts; the controls of one item share its id."""
    by_kind = {
        kind: [control for control in controls if control.kind == kind]
        for kind in dict.fromkeys(control.kind for control in controls)
    }
    prompts: dict[tuple[str, str], Prompt] = {}
    for kind, own in by_kind.items():
        items = [control.item for control in own]
        found = admit_items(
            model,
            items,
            lambda item: [prompt_for(item)],
            "`controls`",
            also=partial(as_asked, ways),
            new_tokens=new_tokens,
        )
        prompts |= {(kind, item.id): prompt for item, (prompt,) in zip(found.items, found.prompts, strict=True)}
    kept = [control for control in controls if (control.kind, control.item.id) in prompts]
    return kept, [prompts[control.kind, control.item.id] for control in kept]


def _divergences(
    model: ModelOrEngine,
    asks: Sequence[Ask],
    places: Sequence[Sequence[int]],
    unsteered: Sequence[int],
    broken: Mapping[int, str],
) -> dict[int, float]:
    """Return KL(steered || unsteered) of the first answer token of everything asked, by its place.

    A few controls at a time, each under all conditions: its rows share a prefix, and few distributions are held.
    """
    found = dict.fromkeys(range(len(asks)), math.nan)
    own = list(zip(zip(*places, strict=True), unsteered, strict=True))
    several = max(1, DISTRIBUTIONS // (len(places) + 1))
    for start in range(0, len(own), several):
        part = own[start : start + several]
        wanted = sorted({place for steered, plain in part for place in (*steered, plain)} - broken.keys())
        scores = first_scores(model, [asks[place] for place in wanted]).clamp_min(RULED_OUT)
        at = {place: k for k, place in enumerate(wanted)}
        pairs = {place: plain for steered, plain in part for place in steered if {place, plain} <= at.keys()}
        moved = kl(scores[[at[place] for place in pairs]], scores[[at[plain] for plain in pairs.values()]])
        found.update(zip(pairs, moved.tolist(), strict=True))
    return found


DISTRIBUTIONS = 64
"""Distributions over the vocabulary that are held at once, about."""
RULED_OUT = -100.0
"""Log-probability of what contrastive decoding rules out, low enough that it adds nothing to a divergence."""
