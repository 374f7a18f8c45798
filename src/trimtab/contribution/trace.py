"""Contributions along one answer: at which word does the model stop looking?"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trimtab.contribution.mcs import average_scores, step_scores, with_answers
from trimtab.contribution.measuring import ask
from trimtab.contribution.options import MCS
from trimtab.errors import DataError
from trimtab.items import Item
from trimtab.models import Model

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True)
class AnswerTrace:
    """The contribution of each modality to each token of a greedy answer.

    Attributes:
        item_id: The item that was asked.
        tokens: The answer's tokens as text; each score is that of choosing the token.
        image: Score of the image at each token.
        text: Score of the text.
        ratio: Visual ratio at each token; NaN where neither modality reaches the answer.
    """

    item_id: str
    tokens: tuple[str, ...]
    image: tuple[float, ...]
    text: tuple[float, ...]
    ratio: tuple[float, ...]

    def rows(self) -> list[dict[str, Any]]:
        """Return one plain row a token."""
        columns = zip(self.tokens, self.image, self.text, self.ratio, strict=True)
        return [
            {"item_id": self.item_id, "step": n, "token": token, "image": image, "text": text, "ratio": ratio}
            for n, (token, image, text, ratio) in enumerate(columns)
        ]

    def table(self) -> DataFrame:
        """Return one row a token: ``item_id, step, token, image, text, ratio``."""
        from pandas import DataFrame

        return DataFrame(self.rows())


def trace(
    model: Model,
    item: Item,
    *,
    instruction: str | None = None,
    config: MCS | None = None,
    max_new_tokens: int = 16,
) -> AnswerTrace:
    """Measure the contribution of each modality at every token of one greedy answer.

    All steps are rows of the same passes; each is asked after the answer's own earlier tokens.

    Args:
        model: The model.
        item: What to ask.
        instruction: A sentence that names the modality to follow; left out, the prompt is neutral.
        config: Options; its ``steps`` is ``max_new_tokens`` here.
        max_new_tokens: Longest answer in tokens.

    Raises:
        DataError: The item cannot be measured: it has no image or no text, or its image cannot be read.
        UsageError: An option does not fit the model, or edits are applied.
    """
    config = replace(config or MCS(), steps=max_new_tokens)
    questions, skipped = ask(model, [item], config, instruction)
    if skipped:
        raise DataError(f"`item` of trace must be one that can be measured; {skipped[0].reason}.")
    asked = with_answers(model, questions, max_new_tokens)
    (values,) = step_scores(model, questions, asked, config)
    scores = [average_scores(values[..., n : n + 1], config) for n in range(values.shape[-1])]
    tokens = [model.tokenizer.decode([token]) for token in asked[0].answer]
    return AnswerTrace(
        item.id,
        tuple(tokens or [model.tokenizer.eos_token]),  # an answer that stops at once
        tuple(s.image for s in scores),
        tuple(s.text for s in scores),
        tuple(s.ratio for s in scores),
    )
