"""Ask conflict items under every method and strength, and judge the answers."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from trimtab.engine import MAX_NEW_TOKENS, Answers, Cost, ModelOrEngine, Prompt, Receipt, generate
from trimtab.errors import UsageError
from trimtab.fields import check_value
from trimtab.items import Item, Judgement, Skipped, valid_answers
from trimtab.items.admission import admit_items
from trimtab.progress import SILENT, Progress, Within, rescaled
from trimtab.steering import Asks, asks_together
from trimtab.studies.kit.artifacts import AnyArtifact
from trimtab.studies.kit.metrics import rates
from trimtab.studies.kit.protocols import PROTOCOLS, Protocol

if TYPE_CHECKING:
    from pandas import DataFrame


logger = logging.getLogger(__name__)

Strengths = Sequence[float] | Mapping[str, Sequence[float]] | None
"""Strengths of every method, or of each by its name."""


@dataclass(frozen=True, eq=False)
class Condition:
    """One artifact at one strength; ``chosen`` if that is the artifact's own strength."""

    artifact: AnyArtifact
    strength: float
    chosen: bool


@dataclass(eq=False)
class Evaluation:
    """Judged answers.

    Attributes:
        answers: A row for each item and condition: ``id, task, model, method, target, protocol, strength,
            chosen, prediction, label, collapsed, reason``.
        receipt: What the edits touched.
        cost: Work done.
        skipped: Items left out, with the reason.
    """

    answers: DataFrame
    receipt: Receipt = field(default_factory=Receipt)
    cost: Cost = field(default_factory=Cost)
    skipped: list[Skipped] = field(default_factory=list)

    @cached_property
    def rates(self) -> DataFrame:
        """Following, others, other and collapse rate of each condition; see ``trimtab.studies.rates``."""
        return rates(self.answers)


def evaluate(
    model: ModelOrEngine,
    items: Iterable[Item],
    artifacts: Sequence[AnyArtifact],
    *,
    strengths: Strengths = None,
    protocol: str = "open",
    valid: dict[str, frozenset[str]] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Progress = SILENT,
) -> Evaluation:
    """Ask every item under every method, all as rows of one run, and judge the answers.

    An answer under a steering so strong that the model's numbers are not finite is collapsed, and says so.

    Args:
        model: The model.
        items: Conflict items; those that the model cannot take (see ``trimtab.engine.admit``) are left out.
        artifacts: Fitted methods and head sets.
        strengths: Further strengths at which to try the methods that have one, or those of each by its name; each is
            always tried at its own.
        protocol: How items are put to the model; a key of ``PROTOCOLS``.
        valid: Valid answers of each task, by which a collapsed answer is told from a wrong one; left out, all
            answers that the items give to either modality.
        max_new_tokens: Longest answer in tokens.
        progress: Told of answers as they finish, of as many as there are items and conditions.

    Returns:
        The judged answers, with rates, receipt and cost.

    Raises:
        UsageError: No item that can be asked, two of the same id, no method, or one that is not fitted.
        ArtifactError: A method was fitted on another model.
    """
    how, ways = PROTOCOLS.named(protocol), conditions(artifacts, strengths)
    for way in ways:
        way.artifact.check(model)
    what, also = "`items` of evaluate", partial(as_asked, ways)
    found = admit_items(model, items, how.prompts, what, also=also, new_tokens=max_new_tokens, conflicts=True)
    found.require(what)
    asked, skipped = list(zip(found.items, found.prompts, strict=True)), found.skipped
    _warn_of_fitted(artifacts, found.items)
    valid = valid_answers(found.items) if valid is None else valid
    asks, prompts = Asks(), [prompt for _, prompts in asked for prompt in prompts]
    places = []
    for given in asks_together(model, prompts, [(way.artifact, way.strength) for way in ways]):
        own = iter([asks.place(ask) for ask in given])
        places.append([[next(own) for _ in item_prompts] for _, item_prompts in asked])
    units = len(asked) * len(ways)
    with progress.task("evaluate", units) as advance:
        inside = Within(rescaled(advance, len(asks.asks), units))
        answers = generate(model, asks.asks, max_new_tokens=max_new_tokens, progress=inside, keep_broken=True)
    table = [
        _judged(model, how, way, item, answers, item_places, valid)
        for way, way_places in zip(ways, places, strict=True)
        for (item, _), item_places in zip(asked, way_places, strict=True)
    ]
    from pandas import DataFrame

    return Evaluation(DataFrame(table), answers.receipt, answers.cost, skipped)


def _warn_of_fitted(artifacts: Sequence[AnyArtifact], items: Sequence[Item]) -> None:
    """Say for which methods some items were used to learn or choose: on those, rates are too good."""
    for artifact in artifacts:
        known = sum(artifact.fitted_on(item) for item in items) if artifact.fitted_items else 0
        if known:
            logger.warning(
                "%s toward the %s was fitted on %d of these %d items, so its rates are too good; evaluate on others.",
                artifact.name, artifact.target, known, len(items),
            )  # fmt: skip


def conditions(artifacts: Sequence[AnyArtifact], strengths: Strengths = None) -> list[Condition]:
    """List the conditions that ``evaluate`` tries.

    Raises:
        UsageError: No method, one that is not fitted, or two of the same name and target.
    """
    if not isinstance(artifacts, Sequence) or not artifacts:
        raise UsageError(
            f"`artifacts` of evaluate must be a list of at least one fitted method; got {artifacts!r:.60}."
        )
    _check_strengths(strengths, [str(getattr(artifact, "name", artifact)) for artifact in artifacts])
    found: list[Condition] = []
    for artifact in artifacts:
        if not isinstance(artifact, AnyArtifact):
            raise UsageError(
                f"`artifacts` of evaluate must be fitted; got {type(artifact).__name__}; call its fit(model, items)."
            )
        if any((way.artifact.name, way.artifact.target) == (artifact.name, artifact.target) for way in found):
            raise UsageError(
                f"`artifacts` of evaluate must differ in name or target; got {artifact.name!r} toward the "
                f"{artifact.target} twice, whose rows could not be told apart; give one a label "
                "(dataclasses.replace(artifact, label=...)), or evaluate them one at a time."
            )
        own = artifact.strength
        further = strengths.get(artifact.name) if isinstance(strengths, Mapping) else strengths
        swept = set(further or ()) if artifact.has_strength else set()
        found += [Condition(artifact, s, s == own) for s in sorted(swept | {own})]
    return found


def _check_strengths(given: object, names: Sequence[str]) -> None:
    """Refuse strengths that are no numbers, or of a method that is not evaluated."""
    if not isinstance(given, Mapping):
        check_value("strengths", "evaluate", tuple[float, ...] | None, given)
        return
    for name, own in given.items():
        if name not in names:
            raise UsageError(
                f"`strengths` of evaluate must be of methods that are evaluated ({', '.join(names)}); got {name!r:.60}."
            )
        check_value("strengths", "evaluate", tuple[float, ...], own)


def as_asked(ways: Sequence[Condition], prompt: Prompt) -> list[Prompt]:
    """Return a prompt as the methods put it, where they change it."""
    artifacts = {id(way.artifact): way.artifact for way in ways}
    return [changed for a in artifacts.values() if (changed := a.asked(prompt)) is not prompt]


def _judged(
    model: ModelOrEngine,
    protocol: Protocol,
    way: Condition,
    item: Item,
    answers: Answers,
    places: Sequence[int],
    valid: dict[str, frozenset[str]],
) -> dict[str, Any]:
    replies = [answers.texts[place] for place in places]
    judgement = protocol.judge(replies, item, valid.get(item.task))
    if broken := next((answers.broken[place] for place in places if place in answers.broken), None):
        judgement = Judgement("other", True, f"broken reply: {broken}")
    return {
        "id": item.id,
        "task": item.task,
        "model": model.name,
        "method": way.artifact.name,
        "target": way.artifact.target,
        "protocol": protocol.name,
        "strength": way.strength,
        "chosen": way.chosen,
        "prediction": " | ".join(replies),
        "label": judgement.label,
        "collapsed": judgement.collapsed,
        "reason": judgement.reason,
    }
