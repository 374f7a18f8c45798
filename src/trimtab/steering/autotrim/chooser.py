"""The closed loop: see where the modalities disagree, try many strengths at once, keep what the target agrees with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import torch
from torch import Tensor

from trimtab.data.prompts import Modality, opposite
from trimtab.engine import AddVector, Edit, Positions, Predictor, Prompt, Read, Row, run
from trimtab.models import Model
from trimtab.steering.chooser import Chooser, answer_divergence, register_chooser

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

PROMPTS_AT_ONCE = 32
"""Prompts whose candidates are held at a time: each has a row of logits for every candidate."""


Edits = tuple[Edit, ...]


class Tried(NamedTuple):
    """What was tried on some prompts.

    Attributes:
        alone: Log-probabilities given the target alone, and given the other modality alone, ``(prompts, vocabulary)``.
        steered: Those under each candidate, the first of which is the plain prompt, ``(prompts, candidates,
            vocabulary)``.
        candidates: Each prompt's candidates.
    """

    alone: tuple[Tensor, Tensor]
    steered: Tensor
    candidates: list[list[Edits]]


@register_chooser
@dataclass(frozen=True, eq=False)
class AutotrimChooser(Chooser):
    """Candidate edits and the rule that picks one for each prompt.

    Attributes:
        target: The modality to follow.
        layers: Candidate layers, 0-based.
        strengths: Candidate strengths.
        positions: Where vectors are added.
        confidence: See ``sees_conflict``.
        support: See ``sees_conflict``.
        w_in: Of each layer's predictor, ``(layers, width, hidden)``. Without predictors, each prompt's vector is its
            own: its state when given the target alone, less its plain state.
        b_in: ``(layers, width)``.
        w_out: ``(layers, hidden, width)``.
        b_out: ``(layers, hidden)``.
    """

    kind: ClassVar[str] = "autotrim"

    target: Modality
    layers: Sequence[int]
    strengths: Sequence[float]
    positions: Positions
    confidence: float
    support: float
    w_in: Tensor | None = None
    b_in: Tensor | None = None
    w_out: Tensor | None = None
    b_out: Tensor | None = None

    def edits(self, model: Model, prompts: Sequence[Prompt], artifact: Artifact, strength: float) -> list[Edits]:
        """Try every candidate on every prompt, as rows of one run, and keep each prompt's best.

        ``strength`` multiplies the candidates' own.
        """
        found: list[Edits] = []
        for start in range(0, len(prompts), PROMPTS_AT_ONCE):
            part = prompts[start : start + PROMPTS_AT_ONCE]
            try_all = self._try_own if self.w_in is None else self._try_learned
            alone, steered, candidates = try_all(model, part, strength)
            steers = sees_conflict(steered[:, 0], *alone, self.confidence, self.support)
            best = (nearest(alone[0], steered) * steers).tolist()
            found += [own[k] for own, k in zip(candidates, best, strict=True)]
        return found

    def _try_learned(self, model: Model, prompts: Sequence[Prompt], strength: float) -> Tried:
        """Ask for each modality alone and for every candidate in one run."""
        tensors = [t for t in (self.w_in, self.b_in, self.w_out, self.b_out) if t is not None]
        predictors = [Predictor(*parts) for parts in zip(*tensors, strict=True)]
        candidates = self._candidates(predictors, strength)
        tried = [Row(prompt, edits) for prompt in prompts for edits in candidates]
        n = len(prompts)
        scores = run(model, [*self._alone(prompts), *tried]).logits.log_softmax(-1)
        return Tried((scores[:n], scores[n : 2 * n]), scores[2 * n :].unflatten(0, (n, -1)), [candidates] * n)

    def _try_own(self, model: Model, prompts: Sequence[Prompt], strength: float) -> Tried:
        """Ask for each modality alone and for the plain prompt, and then for what lies on the way to the target."""
        n, read = len(prompts), Read(hidden=tuple(self.layers))
        first = run(model, [*self._alone(prompts), *map(Row, prompts)], read)
        wanted, other, plain = first.logits.log_softmax(-1).split(n)
        moves = [first.hidden[layer][:n] - first.hidden[layer][2 * n :] for layer in self.layers]
        candidates = [self._candidates([move[k] for move in moves], strength) for k in range(n)]
        tried = [Row(prompt, e) for prompt, own in zip(prompts, candidates, strict=True) for e in own[1:]]
        steered = run(model, tried).logits.log_softmax(-1).unflatten(0, (n, -1))
        return Tried((wanted, other), torch.cat([plain[:, None], steered], dim=1), candidates)

    def _alone(self, prompts: Sequence[Prompt]) -> list[Row]:
        """Return the prompts with the target alone, then those with the other modality alone."""
        return [
            Row(prompt.without(left_out)) for left_out in (opposite(self.target), self.target) for prompt in prompts
        ]

    def _candidates(self, directions: Sequence[Tensor | Predictor], strength: float) -> list[Edits]:
        """List nothing, then every layer's direction at every strength, the weakest first."""
        tried = product(self.strengths, zip(self.layers, directions, strict=True))
        return [(), *((AddVector(layer, d, strength * own, self.positions),) for own, (layer, d) in tried)]


def nearest(wanted: Tensor, steered: Tensor) -> Tensor:
    """Pick the candidate whose answer is nearest to the target's own by KL(wanted || candidate).

    Args:
        wanted: Log-probabilities of the first answer token when the model is given the target alone,
            ``(items, vocabulary)``.
        steered: Those under each candidate, ``(items, candidates, vocabulary)``.

    Returns:
        Each item's candidate, ``(items,)``.
    """
    return torch.stack([answer_divergence(wanted, part) for part in steered.unbind(1)], dim=1).argmin(-1)


def sees_conflict(plain: Tensor, wanted: Tensor, other: Tensor, confidence: float, support: float) -> Tensor:
    """Say which items are conflicts in the model's own eyes: those the target alone could answer and the other did.

    Args:
        plain: Log-probabilities of the first answer token of the plain prompt, ``(items, vocabulary)``.
        wanted: Those given the target alone.
        other: Those given the other modality alone.
        confidence: The target's own best answer must be at least this share as probable as the plain prompt's best.
        support: The other modality alone must give the plain prompt's answer at least this probability. An answer
            that neither gives alone comes of both together, and is left as it is.

    Returns:
        True where to steer, ``(items,)``.
    """
    sure = wanted.max(-1).values.exp() >= confidence * plain.max(-1).values.exp()
    answered = other.gather(-1, plain.argmax(-1, keepdim=True))[:, 0].exp() >= support
    return sure & answered
