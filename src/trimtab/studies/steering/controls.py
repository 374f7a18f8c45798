"""Items that nothing conflicts in: what steering breaks there is collapse that following rates do not show."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from trimtab.divergences import kl
from trimtab.engine import MAX_NEW_TOKENS, Capability, ModelOrEngine, Prompt, Row, generate, require
from trimtab.items import Item, judge
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.steering import Artifact, Ask, first_scores
from trimtab.studies.kit.evaluation import Asks, Condition, as_asked, conditions
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import wilson

if TYPE_CHECKING:
    from pandas import DataFrame


BOTH = "both"
"""Kind of the controls that need several modalities together."""


@dataclass(frozen=True)
class Control:
    """An item with one right answer.

    Attributes:
        kind: What the question needs: one modality, such as ``image_only``, or ``both`` together.
        item: The item; an answer it lacks is empty.
    """

    kind: str
    item: Item


def unimodal_controls(items: Iterable[Item]) -> list[Control]:
    """Make a control of each modality of each conflict item: asked with the evidence of that one alone."""
    return [
        Control(f"{modality}_only", item.replace(relevant=modality, evidence={modality: item.evidence[modality]}))
        for item in items
        for modality in item.modalities
    ]


def joint_controls(items: Iterable[Item]) -> list[Control]:
    """Make controls of items that need several modalities together; the answers of all are the right one."""
    # One answer, in one place; what else the item needs stays in the prompt.
    return [Control(BOTH, _with_one_answer(item)) for item in items]


def _with_one_answer(item: Item) -> Item:
    first, *rest = item.relevant or item.modalities
    blank = {f"{name}_{modality}": value for modality in rest for name, value in (("answer", ""), ("aliases", ()))}
    return item.replace(relevant=first, **blank)


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
        collapsed`` and ``divergence``, KL(steered || unsteered) of the first answer token in nats; NaN where the
        steering leaves no finite numbers.

    Raises:
        UnsupportedEngineError: The engine gives no distributions, or lacks what a method needs.
    """
    from pandas import DataFrame

    require(model, Capability.LOGITS, owner="evaluate_controls")
    ways, asks = conditions(methods, strengths), Asks()
    controls, prompts = _admitted(model, controls, ways, max_new_tokens)
    places = [[asks.place(ask) for ask in way.artifact.asks(model, prompts, way.strength)] for way in ways]
    unsteered = [asks.place(Row(prompt)) for prompt in prompts]
    answers = generate(model, asks.asks, max_new_tokens=max_new_tokens, progress=progress, keep_broken=True)
    texts, moved = answers.texts, _divergences(model, asks.asks, places, unsteered, answers.broken)
    table: list[dict[str, Any]] = []
    for way, way_places in zip(ways, places, strict=True):
        for control, place in zip(controls, way_places, strict=True):
            judgement = judge(texts[place], control.item)
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

    One control at a time, under all conditions: its rows share a prefix, and few distributions are held at once.
    """
    found = dict.fromkeys(broken, math.nan)
    for own, plain in zip(zip(*places, strict=True), unsteered, strict=True):
        wanted = sorted({*own, plain} - broken.keys())
        scores = first_scores(model, [asks[place] for place in wanted]).clamp_min(RULED_OUT)
        moved = kl(scores, scores[[wanted.index(plain)]].expand_as(scores))
        found.update(zip(wanted, moved.tolist(), strict=True))
    return found


RULED_OUT = -100.0
"""Log-probability of what contrastive decoding rules out, low enough that it adds nothing to a divergence."""


def control_rates(answers: Sequence[Record]) -> list[Record]:
    """Count right answers by condition and kind, and what they lost against no steering.

    Args:
        answers: Rows of ``evaluate_controls``.

    Returns:
        ``model, method, target, strength, chosen, kind, n, accuracy`` with its Wilson interval ``accuracy_low`` and
        ``accuracy_high``, ``loss``, ``collapse`` and mean ``divergence``, None if no answer has one.
    """
    columns = ("model", "method", "target", "strength", "chosen", "kind")
    groups = list(grouped(answers, *columns))
    plain = {(key[0], key[5]): _share(part, "right") for key, part in groups if key[1] == "none"}
    rows = []
    for key, part in groups:
        accuracy = wilson(sum(row["right"] for row in part), len(part))
        before = plain.get((key[0], key[5]))
        rows.append(
            {
                **dict(zip(columns, key, strict=True)),
                "n": len(part),
                "accuracy": accuracy.value,
                "accuracy_low": accuracy.low,
                "accuracy_high": accuracy.high,
                "loss": None if before is None else before - accuracy.value,
                "collapse": _share(part, "collapsed"),
                "divergence": _mean([row["divergence"] for row in part if not math.isnan(row["divergence"])]),
            }
        )
    return rows


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _share(part: Sequence[Record], column: str) -> float:
    return sum(bool(row[column]) for row in part) / len(part)
