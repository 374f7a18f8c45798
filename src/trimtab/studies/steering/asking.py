"""Ask controls under every method, and judge the answers."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from trimtab.divergences import kl
from trimtab.engine import MAX_NEW_TOKENS, Answers, Capability, ModelOrEngine, Prompt, Row, generate, require
from trimtab.items import judge, normalise
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.steering import Artifact, Ask, Asks, asks_together
from trimtab.studies.kit.chunks import chunks_of
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
    ways = conditions(methods, strengths)
    controls, prompts = _admitted(model, controls, ways, max_new_tokens)
    given = asks_together(model, prompts, [(way.artifact, way.strength) for way in ways])
    rows: list[list[dict[str, Any]]] = [[] for _ in ways]
    with progress.task("ask controls", len(controls)) as advance:
        for some in chunks_of(len(controls), max(1, DISTRIBUTIONS // (len(ways) + 1))):
            told = _answered(model, prompts[some], [own[some] for own in given], max_new_tokens)
            for way, own, answers in zip(ways, rows, told, strict=True):
                own += [_row(model, way, *pair) for pair in zip(controls[some], answers, strict=True)]
            advance(len(controls[some]))
    return DataFrame([row for own in rows for row in own])


class _Answer(NamedTuple):
    """What a control was answered, steered and not, and how far its first token was moved."""

    text: str
    unsteered: str
    divergence: float


def _answered(
    model: ModelOrEngine, prompts: Sequence[Prompt], given: Sequence[Sequence[Ask]], max_new_tokens: int
) -> list[list[_Answer]]:
    """Ask some prompts under every condition, each beside no steering."""
    asks = Asks()
    places = [[asks.place(ask) for ask in own] for own in given]
    unsteered = [asks.place(Row(prompt)) for prompt in prompts]
    found = generate(model, asks.asks, max_new_tokens=max_new_tokens, keep_broken=True, first_logits=True)
    pairs = [[(place, plain) for place, plain in zip(own, unsteered, strict=True)] for own in places]
    moved = _divergences(found, {pair for own in pairs for pair in own})
    return [
        [_Answer(found.texts[place], found.texts[plain], moved[place, plain]) for place, plain in own] for own in pairs
    ]


def _divergences(answers: Answers, pairs: Collection[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """Return KL(steered || unsteered) of the first answer token of pairs of rows; NaN where one is broken."""
    assert answers.first_logits is not None
    whole = [pair for pair in pairs if not answers.broken.keys() & set(pair)]
    scores = answers.first_logits.log_softmax(-1).clamp_min_(RULED_OUT)
    moved = kl(scores[[steered for steered, _ in whole]], scores[[plain for _, plain in whole]])
    return dict.fromkeys(pairs, math.nan) | dict(zip(whole, moved.tolist(), strict=True))


def _row(model: ModelOrEngine, way: Condition, control: Control, answer: _Answer) -> dict[str, Any]:
    judgement, before = (judge(text, control.item) for text in (answer.text, answer.unsteered))
    return {
        "id": control.item.id,
        "kind": control.kind,
        "model": model.name,
        "method": way.artifact.name,
        "target": way.artifact.target,
        "strength": way.strength,
        "chosen": way.chosen,
        "prediction": answer.text,
        "right": judgement.label != "other",
        "right_unsteered": before.label != "other",
        "changed": normalise(answer.text) != normalise(answer.unsteered),
        "collapsed": judgement.collapsed,
        "divergence": answer.divergence,
    }


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


DISTRIBUTIONS = 128
"""Rows that are asked at once, about: a distribution over the vocabulary is held for each."""
RULED_OUT = -100.0
"""Log-probability of what contrastive decoding rules out, low enough that it adds nothing to a divergence."""
