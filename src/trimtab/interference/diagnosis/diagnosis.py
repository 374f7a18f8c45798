"""Ask items clean and perturbed, and compare the answers: the paper's causal test, decision and distribution.

Modality Interference (arXiv 2505.19616): intervene on the input of the modality that does not matter, hold the other
fixed, and see whether the answer changes. The paper's effect is the prediction change 1[a != a']; beside it stand
distances between the option distributions, which see what a flip hides.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from torch import Tensor

from trimtab.engine import Contrast, Cost, Encoded, ModelOrEngine, Prompt, Row, generate, run
from trimtab.errors import UsageError
from trimtab.interference.diagnosis.config import DiagnosisConfig, Scoring
from trimtab.interference.diagnosis.distances import js, kl, total_variation
from trimtab.interference.diagnosis.ways import WAYS
from trimtab.interference.options import letter_tokens, option_log_probabilities, picked_option
from trimtab.interference.perturbations import PERTURBATIONS, Donors, perturb
from trimtab.interference.views import CLEAN, Opened, View
from trimtab.items import Item, Skipped, cluster_of, relevant_name
from trimtab.items.admission import admit_each, check_items, say_left_out
from trimtab.progress import SILENT, Progress

logger = logging.getLogger(__name__)

if TYPE_CHECKING:
    from pandas import DataFrame

CHUNK = 128
"""Items whose media and prompts are held at a time."""


@dataclass(eq=False)
class Diagnosis:
    """Answers under every condition.

    Attributes:
        answers: A row for each item, condition, way and scoring: ``id, task, relevant, tags, cluster, model, way,
            scoring, condition, prediction, option, correct, collapsed, named, followed``; by logits ``probability`` (of
            the right option) and ``letters`` (of all options before they are normalised); and against the same item
            clean ``changed, harmful, helpful, kl, js, tv``, None in the clean condition.
        cost: Work done.
        skipped: Items left out, with the reason.
    """

    answers: DataFrame
    cost: Cost = field(default_factory=Cost)
    skipped: list[Skipped] = field(default_factory=list)


def diagnose(
    model: ModelOrEngine,
    items: Iterable[Item],
    config: DiagnosisConfig | None = None,
    *,
    donors: Donors | None = None,
    progress: Progress = SILENT,
) -> Diagnosis:
    """Ask every item clean and under each condition that fits it.

    Args:
        model: The model.
        items: Items that say what is relevant and have options; others, and those that the model cannot take (see
            ``trimtab.engine.admit``), are skipped and counted.
        config: What to try.
        donors: Items to borrow media and texts from; left out, the items themselves.
        progress: Told of items as they finish.

    Returns:
        The answers, compared with the same item's clean ones.

    Raises:
        UsageError: No item can be asked, or two have the same id.
    """
    config, items = _taken(model, config or DiagnosisConfig()), check_items(items, "`items` of diagnose")
    donors = donors or Donors(items, config.seed)
    rows: list[dict[str, Any]] = []
    cost, skipped = Cost(), []
    with progress.task("diagnose", len(items)) as advance:
        for start in range(0, len(items), CHUNK):
            chunk = items[start : start + CHUNK]
            asked = _prepared(model, chunk, start, config, donors, skipped)
            for scoring in config.scoring if asked else ():
                answered = _answered(model, asked, scoring, config, cost)
                rows += _compared([_judged(model, a, r, scoring) for a, r in answered])
            advance(len(chunk))
    if not rows:
        reason = skipped[0].reason if skipped else "there is none"
        raise UsageError(f"`items` of diagnose must hold at least one that can be asked; {reason}")
    say_left_out(skipped, len(items))
    from pandas import DataFrame

    return Diagnosis(DataFrame(rows), cost, skipped)


def _taken(model: ModelOrEngine, config: DiagnosisConfig) -> DiagnosisConfig:
    """Return what to try without conditions that show what the model does not take."""
    kinds = {name: {PERTURBATIONS.named(one).modality for one in _names(name)} for name in config.conditions}
    missing = {name: sorted(own - set(model.modalities)) for name, own in kinds.items()}
    if left_out := {name: lacks for name, lacks in missing.items() if lacks}:
        logger.info("%s takes no %s; left out: %s.", model.name, next(iter(left_out.values()))[0], ", ".join(left_out))
    return replace(config, conditions=tuple(name for name in config.conditions if not missing[name]))


class _Asked(NamedTuple):
    """A view, the way it is asked, and what the model is run on."""

    view: View
    way: str
    row: Row | Contrast


class _Reply(NamedTuple):
    """What came back: the option's place, the reply, the options' probabilities and that of all letters."""

    option: int | None
    prediction: str
    probabilities: np.ndarray | None
    letters: float | None


def _prepared(
    model: ModelOrEngine,
    items: Sequence[Item],
    start: int,
    config: DiagnosisConfig,
    donors: Donors,
    skipped: list[Skipped],
) -> list[_Asked]:
    opened = Opened()
    made: dict[str, list[_Asked]] = {}

    def ask(item: Item) -> list[Prompt | Encoded]:
        views = [perturb(item, _names(c), donors, config.seed) for c in (CLEAN, *config.conditions)]
        prompts = [(view, view.prompt(opened)) for view in views if view is not None]
        made[item.id] = [_Asked(view, way, WAYS[way](prompt, item)) for view, prompt in prompts for way in config.ways]
        return [row.prompt for asked in made[item.id] for row in _rows_of(asked.row)]

    new_tokens = config.max_new_tokens if "generation" in config.scoring else 0
    found = admit_each(model, items, ask, new_tokens=new_tokens)
    skipped += [Skipped(start + row, reason) for row, reason in found.skipped]
    return [asked for item in found.items for asked in made[item.id]]


def _rows_of(ask: Row | Contrast) -> Sequence[Row]:
    return (ask,) if isinstance(ask, Row) else ask.rows


def _names(condition: str) -> list[str]:
    return [] if condition == CLEAN else condition.split("+")


def _answered(
    model: ModelOrEngine, asked: Sequence[_Asked], scoring: Scoring, config: DiagnosisConfig, cost: Cost
) -> Iterator[tuple[_Asked, _Reply]]:
    """Ask everything at once, and pair each with its reply; contrasts come last."""
    asked = sorted(asked, key=lambda ask: isinstance(ask.row, Contrast))
    if scoring == "logits":
        yield from zip(asked, _by_logits(model, asked, cost), strict=True)
    else:
        yield from zip(asked, _by_generation(model, asked, config.max_new_tokens, cost), strict=True)


def _by_logits(model: ModelOrEngine, part: Sequence[_Asked], cost: Cost) -> Iterator[_Reply]:
    readings = run(model, [ask.row for ask in part])
    cost.add(readings.cost)
    # A contrast's implausible tokens are at minus infinity; two options may both be, and still need finite scores.
    logits: Tensor = readings.logits.clamp_min(-1e4)
    tokens = letter_tokens(model, max(len(a.view.item.choices) for a in part))
    for ask, scores in zip(part, logits, strict=True):
        n = len(ask.view.item.choices)
        logs, mass = option_log_probabilities(scores[None], tokens[:n])
        option = int(logs[0].argmax())
        yield _Reply(option, ask.view.item.choices[option], logs[0].exp().double().numpy(), float(mass[0]))


def _by_generation(model: ModelOrEngine, part: Sequence[_Asked], longest: int, cost: Cost) -> Iterator[_Reply]:
    answers = generate(model, [ask.row for ask in part], max_new_tokens=longest)
    cost.add(answers.cost)
    for ask, text in zip(part, answers.texts, strict=True):
        yield _Reply(picked_option(text, ask.view.item.choices), text, None, None)


def _judged(model: ModelOrEngine, ask: _Asked, reply: _Reply, scoring: Scoring) -> dict[str, Any]:
    view, item = ask.view, ask.view.item
    right = item.choices.index(item.answer)
    named = None if view.named is None else item.choices.index(view.named)
    return {
        "id": item.id,
        "task": item.task,
        "relevant": relevant_name(item.relevant),
        "tags": list(item.tags),
        "cluster": cluster_of(item),
        "model": model.name,
        "way": ask.way,
        "scoring": scoring,
        "condition": view.condition,
        "prediction": reply.prediction,
        "option": -1 if reply.option is None else reply.option,
        "correct": reply.option == right,
        "collapsed": reply.option is None,
        "named": -1 if named is None else named,
        "followed": None if named is None else reply.option == named,
        "probability": None if reply.probabilities is None else float(reply.probabilities[right]),
        "letters": reply.letters,
        "probabilities": reply.probabilities,
    }


def _compared(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Compare each answer with the clean one of the same item and way."""
    clean = {(r["id"], r["way"]): r for r in rows if r["condition"] == CLEAN}
    distributions = {key: r["probabilities"] for key, r in clean.items()}
    for row in rows:
        row.update(_effect(row, clean[row["id"], row["way"]], distributions[row["id"], row["way"]]))
    for row in rows:
        del row["probabilities"]
    return rows


def _effect(row: dict[str, Any], clean: dict[str, Any], before: np.ndarray | None) -> dict[str, Any]:
    after = row["probabilities"]
    if row["condition"] == CLEAN:
        return dict.fromkeys(("changed", "harmful", "helpful", "kl", "js", "tv"))
    distances = {"kl": None, "js": None, "tv": None}
    if before is not None and after is not None:
        distances = {"kl": kl(before, after), "js": js(before, after), "tv": total_variation(before, after)}
    return {
        "changed": row["option"] != clean["option"],
        "harmful": clean["correct"] and not row["correct"],
        "helpful": row["correct"] and not clean["correct"],
        **distances,
    }
