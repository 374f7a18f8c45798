"""Exact Shapley values of the two modalities: four answers an item, with and without its picture and its context."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

from torch import Tensor

from trimtab.contribution.ablation import without
from trimtab.contribution.method import Question, Scores, answers_in_chunks
from trimtab.contribution.spans import TextSpan
from trimtab.errors import UsageError
from trimtab.fields import check_fields
from trimtab.models import Model
from trimtab.progress import Advance

Value = Literal["probability", "log_probability"]


@dataclass(frozen=True)
class Shapley:
    """What each modality adds to the model's own answer, averaged over the two orders of adding them.

    With v(S) the probability of the answer that the full prompt gets, when only the modalities S are shown,
    ``image = (v(image) - v() + v(both) - v(text)) / 2``, and likewise for the text; the two sum to v(both) - v()
    (Shapley 1953; for vision and language models Parcalabescu and Frank, ACL 2023, who also take the share of sizes).
    A modality that is not shown is a grey picture of the same size, or a prompt without context, so the text is the
    context alone: without the question there is nothing to answer.

    Attributes:
        value: Probability of the answer's first token, or its logarithm.
    """

    name: ClassVar[str] = "shapley"

    value: Value = "probability"

    def __post_init__(self) -> None:
        check_fields(self)
        if self.value not in get_args(Value):
            raise UsageError(f"`value` of Shapley must be one of {', '.join(get_args(Value))}; got {self.value!r}.")

    @property
    def text(self) -> TextSpan:
        """The text is the context alone."""
        return "context"

    @property
    def seed(self) -> int:
        """Nothing here is random."""
        return 0

    def scores(self, model: Model, questions: Sequence[Question], advance: Advance | None = None) -> list[Scores]:
        """Score questions; see ``trimtab.contribution.method.Method``."""
        coalitions = (
            [q.encoded, without(q.prompt, "text"), without(q.prompt, "image"), without(q.prompt, "image", "text")]
            for q in questions
        )
        return [self._score(logits) for logits in answers_in_chunks(model, coalitions, advance)]

    def _score(self, logits: Tensor) -> Scores:
        log_p = logits.double().log_softmax(-1)
        worth = log_p[:, log_p[0].argmax()]
        both, image, text, none = (worth if self.value == "log_probability" else worth.exp()).tolist()
        return Scores.of((image - none + both - text) / 2, (text - none + both - image) / 2)
