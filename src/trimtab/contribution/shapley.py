"""Exact Shapley values of the modalities: an answer for each set of them, four for two."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import factorial
from typing import ClassVar, Literal, TypeVar

import torch
from torch import Tensor

from trimtab.contribution.coalitions import Coalitions, answer_log_p, first_logits
from trimtab.contribution.method import Case
from trimtab.contribution.scores import Scores
from trimtab.contribution.spans import TextSpan
from trimtab.engine import MAX_NEW_TOKENS, ModelOrEngine, Row, generate
from trimtab.errors import NotFiniteError
from trimtab.fields import Count, check_fields
from trimtab.modalities import Modality
from trimtab.progress import Advance

Value = Literal["probability", "log_probability"]
P = TypeVar("P", bound=Hashable)

CHUNK = 32
"""Cases asked in one run: enough for bare questions to share what they have in common, few for logits to fit."""

RESOLUTION = 1e-6
"""Rounding of float32 logits moves a probability by some 1e-7, so a smaller score than this is none."""


@dataclass(frozen=True)
class Shapley:
    """What each modality adds to the model's own answer, averaged over all orders of adding them.

    With v(S) the probability of the answer that the full prompt gets, when only the modalities S are shown, the
    value of m is the mean of v(S and m) - v(S) over the orders in which S comes before m. Of two it is
    ``image = (v(image) - v() + v(both) - v(text)) / 2``. All values sum to v(all) - v() (Shapley 1953; for vision and
    language models Parcalabescu and Frank, ACL 2023, who also take the share of sizes). n modalities take 2^n answers.

    A modality that is not shown is a blank of the same size, such as a grey picture, or a prompt without context. So
    the text is the context alone: without the question there is nothing to answer. Nothing but logits is needed.

    The answer is its first token, unless that cannot tell the modalities apart because two of them, each shown alone,
    give it a probability of at least a half (as for "top left" and "top right", or where both agree). Then all its
    tokens count, up to ``steps``: v(S) is the geometric mean of their probabilities, each after those before it.

    On held-out items of the pocket models the image's share tells which modality an answer comes from
    (``docs/contribution_held_out.md``).

    Attributes:
        value: Probability of the answer, or its logarithm.
        steps: Longest answer to look at where its first token does not tell; 1 for the first token alone.
    """

    name: ClassVar[str] = "shapley"

    value: Value = "probability"
    steps: Count = MAX_NEW_TOKENS

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
        found: list[Scores] = []
        for start in range(0, len(cases), CHUNK):
            chunk = cases[start : start + CHUNK]
            found += self._finite(model, chunk)
            if advance:
                advance(len(chunk))
        return found

    def _finite(self, model: ModelOrEngine, cases: Sequence[Case]) -> list[Scores]:
        """Score cases together; if one has no finite numbers, each by itself, so that it costs itself alone."""
        try:
            return self._together(model, cases)
        except NotFiniteError:
            if len(cases) > 1:
                return [scores for case in cases for scores in self._finite(model, [case])]
            return [Scores.of(dict.fromkeys(cases[0].modalities, math.nan))]

    def _together(self, model: ModelOrEngine, cases: Sequence[Case]) -> list[Scores]:
        sets = Coalitions.of(cases[0].modalities)
        logits = [own.double().log_softmax(-1) for own in first_logits(model, cases, sets)]
        log_p = [own[:, own[0].argmax()] for own in logits]
        if unsettled := [k for k, own in enumerate(logits) if self.steps > 1 and _unsettled(own, sets)]:
            told = generate(model, [Row(cases[k].encoded) for k in unsettled], max_new_tokens=self.steps).tokens
            longer = {k: answer for k, answer in zip(unsettled, told, strict=True) if len(answer) > 1}
            whole = answer_log_p(model, [cases[k] for k in longer], list(longer.values()), sets)
            for k, tokens in zip(longer, whole, strict=True):
                log_p[k] = tokens.mean(-1)
        return [self.score(sets, own) for own in log_p]

    def score(self, sets: Coalitions, log_p: Tensor) -> Scores:
        """Return scores from log p of the answer for every coalition, ``(coalitions,)``."""
        worths = log_p if self.value == "log_probability" else log_p.exp()
        return shapley_scores(sets.players, dict(zip(sets.shown, worths.tolist(), strict=True)))


def _unsettled(log_p: Tensor, sets: Coalitions) -> bool:
    """Whether two modalities, each shown alone, most probably give the token that the answer begins with."""
    alone = torch.tensor([len(shown) == 1 for shown in sets.shown])
    return int((log_p[alone, log_p[0].argmax()] >= math.log(0.5)).sum()) > 1


def shapley_scores(modalities: Sequence[Modality], worth: Mapping[frozenset[Modality], float]) -> Scores:
    """Return each modality's Shapley value and their synergy, given the worth of every coalition.

    The synergy is what all are worth together beyond nothing, less the sum of what each is worth alone; of two it is
    their interaction index (Grabisch and Roubens 1999).
    """
    nothing = worth[frozenset()]
    alone = sum(worth[frozenset((modality,))] - nothing for modality in modalities)
    values: dict[Modality, float] = {}
    for modality in modalities:
        value = shapley_value(modality, modalities, worth)
        values[modality] = value if abs(value) >= RESOLUTION else 0.0
    return Scores.of(values, worth[frozenset(modalities)] - nothing - alone)


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
