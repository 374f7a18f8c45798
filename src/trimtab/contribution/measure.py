"""``contribution``: how much each modality contributes to the answer of every item."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from trimtab.contribution.config import ContributionConfig
from trimtab.contribution.method import Method, Question
from trimtab.contribution.scores import Contribution, Contributions
from trimtab.contribution.spans import segment
from trimtab.contribution.vocabulary import answer_tokens
from trimtab.data import Item, Skipped
from trimtab.data.prompts import MODALITIES, prompt_for
from trimtab.engine import encode
from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.models import Model

logger = logging.getLogger(__name__)


def contribution(
    model: Model,
    items: Sequence[Item],
    *,
    instruction: str | None = None,
    config: Method | None = None,
    progress: Callable[[int], None] | None = None,
) -> Contributions:
    """Measure how much each modality contributes to the answer of each item.

    Left to itself, by the Modality Contribution Score (Algorithm 1 of AMPS, arXiv 2602.12533): Gaussian noise on the
    cached keys and values of one modality; the last prompt token is the query; the score is ``|grad L|^2 / L``, summed
    over the modality's entries and averaged over sigmas and draws. The image is its positions in the prompt; the text
    is the context and the question with its options. Other methods are in ``METHODS``.

    Items that cannot be measured, because their image is missing, corrupt or not given, because they have no context
    where the text is the context alone, or because their answers begin with the same token where the answer is chosen
    among these, are left out, logged, and listed in ``.skipped`` of the result with their number, counted from 1.

    Args:
        model: The model.
        items: What to measure; they need not be in conflict.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        config: The method with its options; ``ContributionConfig()`` if left out.
        progress: Called with the number of items just finished.

    Returns:
        The contributions in the items' order.

    Raises:
        UsageError: There is no item, an option does not fit the model, or a block ``with ...applied(model)`` is open.
    """
    method = config or ContributionConfig()
    if not items:
        raise UsageError("`items` of contribution must hold at least one item; got none.")
    questions, skipped = ask(model, items, method, instruction)
    if skipped and progress:
        progress(len(skipped))
    found = method.scores(model, questions, progress) if questions else []
    return Contributions(
        (Contribution(q.item.id, q.item.task, *s) for q, s in zip(questions, found, strict=True)), skipped
    )


def ask(
    model: Model, items: Sequence[Item], method: Method, instruction: str | None = None
) -> tuple[list[Question], list[Skipped]]:
    """Make the questions of the items that can be measured, and list the others.

    Raises:
        UsageError: A block ``with ...applied(model)`` is open.
    """
    if model.ambient:
        raise UsageError(
            f"`model` of contribution must have no edits applied, since it measures the unedited model; "
            f"{len(model.ambient)} blocks of applied edits are open; call it outside of them."
        )
    questions, skipped = [], []
    for number, item in enumerate(items, start=1):
        try:
            prompt = prompt_for(item, instruction=instruction)
            question = Question(item, prompt, encode(model, prompt))
            if isinstance(method, ContributionConfig) and method.vocabulary == "answers":
                answer_tokens(model, question)  # refuses answers that their first tokens do not tell apart
        except (DataError, MissingImageError) as error:
            skipped.append(Skipped(number, f"item {item.id}: {error}"))
            continue
        missing = [m for m in MODALITIES if not len(segment(question.encoded, m, method.text))]
        if missing:
            what = "image" if missing[0] == "image" else "context"
            skipped.append(Skipped(number, f"item {item.id} has no {what}, so it has no visual ratio"))
        else:
            questions.append(question)
    if skipped:
        logger.warning("Skipped %d of %d items; the first: %s", len(skipped), len(items), skipped[0].reason)
    return questions, skipped
