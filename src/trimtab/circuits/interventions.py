"""Block or amplify heads, and see what else changes: following, the other modality, and plain abilities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from trimtab.circuits.head_set import HeadSet
from trimtab.circuits.task import TaskConfig, answered
from trimtab.engine import MAX_NEW_TOKENS, Edit, Encoded, ModelOrEngine, Prompt, Read, Row, encode, generate, run
from trimtab.items import Item, judge
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import MODALITIES, SHOWN, Modality, in_order, others
from trimtab.progress import SILENT, Progress, Within

if TYPE_CHECKING:
    from pandas import DataFrame

INTACT = "intact"
AGREEING = "agreeing"


def measures_among(modalities: Iterable[Modality]) -> tuple[str, ...]:
    """Return what is asked of items that set some modalities against each other.

    Instructed conflicts by the named modality; then plain abilities: each modality's evidence alone, and, where a text
    stands against one other modality, a context that agrees with that.
    """
    among = in_order(modalities)
    return (*among, *map(_only, among), *([] if _beside_text(among) is None else [AGREEING]))


def _beside_text(among: Iterable[Modality]) -> Modality | None:
    """Return the one modality that stands against a text; None if there is no text, or several stand against it."""
    beside = others("text", among)
    return beside[0] if "text" in among and len(beside) == 1 else None


@dataclass(frozen=True, eq=False)
class Condition:
    """One thing to do to the heads.

    Attributes:
        name: What to call it; ``intact`` for no edits.
        head_set: The heads, with scope and strength; None leaves the model intact.
    """

    name: str
    head_set: HeadSet | None = None

    def edits(self) -> tuple[Edit, ...]:
        """Return the edits."""
        return () if self.head_set is None else self.head_set.edits()


class Question(NamedTuple):
    """A prompt with the label of the answer that is right for its measure."""

    measure: str
    item: Item
    prompt: Prompt
    expected: str


def questions(items: Sequence[Item], config: TaskConfig) -> list[Question]:
    """Ask every measure of every item; items that lack what a measure needs are left out of it."""
    found = []
    for item in items:
        among = answered(item)
        for target in among:
            instruction = config.instruction(target, among)
            prompt = prompt_for(item, instruction=instruction, placement=config.placement)
            found.append(Question(target, item, prompt, target))
        for alone in among:
            if item.content_of(alone):
                prompt = prompt_for(item, without=others(alone, MODALITIES))
                found.append(Question(_only(alone), item, prompt, alone))
        if (agreed := _agreed(item)) is not None:
            shown, context = agreed
            found.append(Question(AGREEING, item, replace(prompt_for(item), context=context), shown))
    return found


def abilities_of(item: Item) -> tuple[str, ...]:
    """Return the plain abilities of ``measures_among`` that an item can be asked for; no medium is opened."""
    alone = [_only(modality) for modality in answered(item) if item.content_of(modality)]
    return (*alone, *([] if _agreed(item) is None else [AGREEING]))


def _only(modality: Modality) -> str:
    return f"{modality} only"


def _agreed(item: Item) -> tuple[Modality, str] | None:
    """Return what an agreeing text would agree with, and that text; None if there is none."""
    shown = _beside_text(answered(item))
    if shown is None or item.content_of(shown) is None:
        return None
    context = agreeing_context(item, shown)
    return None if context is None else (shown, context)


def agreeing_context(item: Item, shown: Modality = "image") -> str | None:
    """Return the context with the text's answer replaced by another's; None where it is not there word for word."""
    pattern = re.compile(rf"\b{re.escape(item.answer_text)}\b", re.IGNORECASE)
    if not item.context or not pattern.search(item.context):
        return None
    return pattern.sub(lambda _found: item.answer_of(shown), item.context)


def try_conditions(
    model: ModelOrEngine,
    items: Sequence[Item],
    conditions: Sequence[Condition],
    config: TaskConfig | None = None,
    *,
    valid: Mapping[str, frozenset[str]] | None = None,
    measures: Sequence[str] | None = None,
    max_new_tokens: int = MAX_NEW_TOKENS,
    progress: Progress = SILENT,
) -> DataFrame:
    """Answer all questions under all conditions, as rows of one run, and judge the answers.

    Args:
        model: The model.
        items: Conflict items; those that the model cannot take (see ``trimtab.engine.admit``) are left out.
        conditions: What to do to the heads.
        config: The instructions.
        valid: Valid answers of each task, by which collapsed answers are told from wrong ones.
        measures: What to ask, of ``measures_among``; left out, everything that fits an item.
        max_new_tokens: Longest answer in tokens.
        progress: Told of rows as they finish.

    Returns:
        A row for each condition and question: ``condition, measure, id, task, prediction, label, correct, opposite,
        collapsed``. Correct means that the answer is the named modality's, or the right one of an ability.
    """
    from pandas import DataFrame

    made: dict[str, list[tuple[Question, Encoded]]] = {}

    def ask(item: Item) -> list[Encoded]:
        own = [q for q in questions([item], config or TaskConfig()) if measures is None or q.measure in measures]
        made[item.id] = [(question, encode(model, question.prompt)) for question in own]
        return [prompt for _, prompt in made[item.id]]

    admitted = admit_items(model, items, ask, "`items` of try_conditions", new_tokens=max_new_tokens)
    asked = [pair for item in admitted.items for pair in made[item.id]]
    rows = [Row(prompt, condition.edits()) for _, prompt in asked for condition in conditions]
    found = generate(model, rows, max_new_tokens=max_new_tokens, progress=progress, keep_broken=True)
    answers = iter(found.texts)
    table: list[dict[str, Any]] = []
    for question, _ in asked:
        for condition in conditions:
            text = next(answers)
            judged = judge(text, question.item, (valid or {}).get(question.item.task))
            table.append(
                {
                    "condition": condition.name,
                    "measure": question.measure,
                    "id": question.item.id,
                    "task": question.item.task,
                    "prediction": text,
                    "label": judged.label,
                    "correct": judged.label == question.expected,
                    "opposite": judged.label not in (question.expected, "other"),
                    "collapsed": judged.collapsed,
                }
            )
    return DataFrame(table)


@torch.no_grad()
def perplexity(
    model: ModelOrEngine, items: Sequence[Item], conditions: Sequence[Condition], progress: Progress = SILENT
) -> DataFrame:
    """Measure how well the contexts are predicted, word by word, without a picture, heads edited at every token.

    Returns:
        A row for each condition and item with a context: ``condition, id, nats`` (mean negative log-likelihood of the
        context's tokens but its first) and ``tokens``.
    """
    from pandas import DataFrame

    table = []
    told = [item for item in items if item.context]
    found = admit_items(
        model, told, lambda item: [encode(model, prompt_for(item, without=SHOWN))], "`items` of perplexity"
    )
    with progress.task("perplexity", len(found.items) * len(conditions)) as advance:
        for item, (prompt,) in zip(found.items, found.prompts, strict=True):
            rows = [Row(prompt, _everywhere(condition)) for condition in conditions]
            logits = run(model, rows, Read(at="context"), progress=Within(advance)).logits
            expected = prompt.ids[prompt.span("context")][1:].cpu()
            for condition, own in zip(conditions, logits, strict=True):
                nats = -own[:-1].log_softmax(-1).gather(1, expected[:, None]).mean()
                table.append({"condition": condition.name, "id": item.id, "nats": float(nats), "tokens": len(expected)})
    return DataFrame(table)


def _everywhere(condition: Condition) -> tuple[Edit, ...]:
    return () if condition.head_set is None else replace(condition.head_set, scope="all").edits()


def choose_strength(rows: Sequence[Mapping[str, Any]], strengths: Mapping[str, float]) -> str:
    """Choose the amplification that follows most on validation items, collapsed answers counted against it.

    Args:
        rows: Rows of ``try_conditions`` on validation items.
        strengths: Strengths by condition.

    Returns:
        The condition's name; the weakest of equals.
    """

    def merit(name: str) -> float:
        own = [row for row in rows if row["condition"] == name and row["measure"] in MODALITIES]
        return round(sum(row["correct"] - row["collapsed"] for row in own) / len(own), 9)

    return max(strengths, key=lambda name: (merit(name), -abs(strengths[name])))
