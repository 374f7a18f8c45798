"""Exact Shapley values of the modalities: an answer for each set of them, four for two."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import ClassVar, Literal, TypeVar

from torch import Tensor

from trimtab.contribution.method import Case, answers_in_chunks
from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import TextSpan
from trimtab.contribution.spoiling import without
from trimtab.engine import ModelOrEngine
from trimtab.fields import check_fields
from trimtab.modalities import Modality
from trimtab.progress import Advance

Value = Literal["probability", "log_probability"]
P = TypeVar("P", bound=Hashable)


@dataclass(frozen=True)
class Shapley:
    """What each modality adds to the model's own answer, averaged over all orders of adding them.

    With v(S) the probability of the answer that the full prompt gets, when only the modalities S are shown, the
    value of m is the mean of v(S and m) - v(S) over the orders in which S comes before m. Of two it is
    ``image = (v(image) - v() + v(both) - v(text)) / 2``. All values sum to v(all) - v() (Shapley 1953; for vision and
    language models Parcalabescu and Frank, ACL 2023, who also take the share of sizes). n modalities take 2^n answers.

    A modality that is not shown is a blank of the same size, such as a grey picture, or a prompt without context. So
    the text is the context alone: without the question there is nothing to answer.

    Attributes:
        value: Probability of the answer's first token, or its logarithm.
    """

    name: ClassVar[str] = "shapley"

    value: Value = "probability"

    def __post_init__(self) -> None:
        check_fields(self)

    @property
    def text(self) -> TextSpan:
        """The text is the context alone."""
        return "context"

    @property
    def queried(self) -> int:
        """None: prompts are changed."""
        return 0

    def scores(self, model: ModelOrEngine, cases: Sequence[Case], advance: Advance | None = None) -> list[Scores]:
        """Score cases; see ``trimtab.contribution.method.Method``."""
        modalities = cases[0].modalities
        hidden = [out for size in range(len(modalities) + 1) for out in combinations(reversed(modalities), size)]
        coalitions = [frozenset(modalities).difference(out) for out in hidden]
        asked = ([case.encoded, *(without(case.prompt, *out) for out in hidden[1:])] for case in cases)
        answers = answers_in_chunks(model, asked, advance)
        return [self._score(modalities, dict(zip(coalitions, self._worth(a), strict=True))) for a in answers]

    def _worth(self, logits: Tensor) -> list[float]:
        """Return what each prompt gives the answer of the first, the full one."""
        log_p = logits.double().log_softmax(-1)
        worth = log_p[:, log_p[0].argmax()]
        return (worth if self.value == "log_probability" else worth.exp()).tolist()

    @staticmethod
    def _score(modalities: Sequence[Modality], worth: Mapping[frozenset[Modality], float]) -> Scores:
        return Scores.of({modality: shapley_value(modality, modalities, worth) for modality in modalities})


def shapley_value(player: P, players: Sequence[P], worth: Mapping[frozenset[P], float]) -> float:
    """Return a player's Shapley value, given the worth of every coalition."""
    others = [other for other in players if other != player]
    total = 0.0
    for size in range(len(players)):
        orders = factorial(size) * factorial(len(players) - size - 1)
        for before in combinations(others, size):
            total += orders * worth[frozenset((*before, player))]
            total -= orders * worth[frozenset(before)]
    return total / factorial(len(players))
