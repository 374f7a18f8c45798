"""``measure``: how much each modality contributes to the answer of every item."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trimtab.contribution.method import Method, Question
from trimtab.contribution.options import MCS
from trimtab.contribution.scores import Contribution, Contributions
from trimtab.contribution.spans import segment
from trimtab.contribution.vocabulary import answer_tokens
from trimtab.engine import Encoded, encode
from trimtab.engine.local.exclusive import exclusive
from trimtab.errors import DataError, UsageError
from trimtab.items import Item, Skipped
from trimtab.items.admission import admit_items, check_items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.progress import SILENT, Progress

ITEMS = "`items` of measure"


@exclusive
def measure(
    model: Model,
    items: Sequence[Item],
    *,
    instruction: str | None = None,
    method: Method | None = None,
    progress: Progress = SILENT,
) -> Contributions:
    """Measure how much each modality contributes to the answer of each item.

    Left to itself, by the Modality Contribution Score (Algorithm 1 of AMPS, arXiv 2602.12533): Gaussian noise on the
    cached keys and values of one modality; the last prompt token is the query; the score is ``|grad L|^2 / L``, summed
    over the modality's entries and averaged over sigmas and draws. The image is its positions in the prompt; the text
    is the context and the question with its options. Other methods are in ``METHODS``.

    Items that cannot be measured, because the model cannot take them (see ``trimtab.engine.admit``), because their
    image is missing, corrupt or not given, because they have no context where the text is the context alone, because
    their answers begin with the same token where the answer is chosen among these, or because their scores are not
    finite, are left out, logged, and listed in ``.skipped`` of the result with their number, counted from 1.

    Args:
        model: The model.
        items: What to measure; they need not be in conflict.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        method: The method with its options; ``MCS()`` if left out.
        progress: Told of items as they finish.

    Returns:
        The contributions in the items' order.

    Raises:
        UsageError: There is no item, an option does not fit the model, or a block ``with ...applied(model)`` is open.
    """
    method, every = method or MCS(), check_items(items, ITEMS)
    if not every:
        raise UsageError("`items` of measure must hold at least one item; got none.")
    questions, skipped = ask(model, every, method, instruction)
    with progress.task("contribution", len(every)) as advance:
        advance(len(skipped))
        found = method.scores(model, questions, advance) if questions else []
    measured = Contributions((), skipped)
    for question, scores in zip(questions, found, strict=True):
        item = question.item
        if math.isfinite(scores.image) and math.isfinite(scores.text):
            measured.append(Contribution(item.id, item.task, *scores))
        else:
            place = next(k for k, given in enumerate(every, start=1) if given is item)
            measured.skipped.append(Skipped(place, f"item {item.id}: its scores are not finite in {model.dtype}."))
    measured.skipped.sort()
    return measured


def ask(
    model: Model, items: Sequence[Item], method: Method, instruction: str | None = None
) -> tuple[list[Question], list[Skipped]]:
    """Make the questions of the items that can be measured, and list the others.

    Raises:
        UsageError: A block ``with ...applied(model)`` is open.
    """
    if model.ambient:
        raise UsageError(
            f"`model` of measure must have no edits applied, since it measures the unedited model; "
            f"{len(model.ambient)} blocks of applied edits are open; call it outside of them."
        )
    made: dict[str, Question] = {}

    def encoded(item: Item) -> list[Encoded]:
        made[item.id] = question = _question(model, item, method, instruction)
        return [question.encoded]

    steps = method.steps if isinstance(method, MCS) else 1
    found = admit_items(model, items, encoded, ITEMS, new_tokens=steps - 1)
    return [made[item.id] for item in found.items], found.skipped


def _question(model: Model, item: Item, method: Method, instruction: str | None) -> Question:
    """Make an item's question. Raises DataError if it cannot be measured."""
    prompt = prompt_for(item, instruction=instruction)
    question = Question(item, prompt, encode(model, prompt))
    if isinstance(method, MCS) and method.vocabulary == "answers":
        answer_tokens(model, question)  # refuses answers that their first tokens do not tell apart
    missing = [m for m in PAIR if not len(segment(question.encoded, m, method.text))]
    if missing:
        raise DataError(f"it has no {'image' if missing[0] == 'image' else 'context'}, so it has no visual ratio.")
    return question
