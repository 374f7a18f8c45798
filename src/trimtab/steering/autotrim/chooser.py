"""The closed loop: see where the modalities disagree, try many strengths at once, keep what the target agrees with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING, ClassVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import (
    AddVector,
    Capability,
    Edit,
    Positions,
    Predictor,
    Prompt,
    Read,
    Readings,
    Row,
)
from trimtab.modalities import Modality
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.gate import conflicts_among, sides_of
from trimtab.steering.looking import TryingChooser

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

Edits = tuple[Edit, ...]


@register_chooser
@dataclass(frozen=True, eq=False)
class AutotrimChooser(TryingChooser):
    """Candidate edits and the rule that picks one for each prompt.

    Attributes:
        target: The modality to follow.
        layers: Candidate layers, 0-based.
        strengths: Candidate strengths.
        positions: Where vectors are added.
        min_confidence: See ``sees_conflict``.
        w_in: Of each layer's predictor, ``(layers, width, hidden)``. Without predictors, each prompt's vector is its
            own: its state when given the target alone, less its plain state.
        b_in: ``(layers, width)``.
        w_out: ``(layers, hidden, width)``.
        b_out: ``(layers, hidden)``.
    """

    kind: ClassVar[str] = "autotrim"
    earlier: ClassVar[Mapping[str, str]] = {"sure": "min_confidence"}
    needs: ClassVar[frozenset[Capability]] = Chooser.needs | {Capability.LOGITS}

    target: Modality
    layers: Sequence[int]
    strengths: Sequence[float]
    positions: Positions
    min_confidence: float
    w_in: Tensor | None = None
    b_in: Tensor | None = None
    w_out: Tensor | None = None
    b_out: Tensor | None = None

    def looks(self, prompt: Prompt, artifact: Artifact) -> tuple[Row, ...]:
        """Return both sides of a prompt that may be a conflict, and the prompt where vectors are each prompt's own."""
        sides = sides_of(prompt, self.target)
        return (*sides, Row(prompt)) if sides and not self._predictors else sides

    def read(self, artifact: Artifact) -> Read:
        """Return the first answer token's logits, and the candidate layers where vectors are each prompt's own."""
        return Read(hidden=() if self._predictors else tuple(self.layers))

    def tries(
        self, prompts: Sequence[Prompt], seen: Readings, artifact: Artifact, strength: float
    ) -> list[tuple[Row, ...]]:
        """Return every candidate of a prompt that is a conflict; ``strength`` multiplies the candidates' own."""
        _, fires = conflicts_among(seen.logits, len(prompts), self.min_confidence)
        directions = self._directions(seen, len(prompts))
        return [
            tuple(Row(prompt, edits) for edits in self._candidates(own, strength)) if on else ()
            for prompt, own, on in zip(prompts, directions, fires.tolist(), strict=True)
        ]

    def best(self, seen: Readings, tried: Tensor) -> int:
        """Return the candidate whose answer is nearest to that of the target alone."""
        return int(nearest(seen.logits[:1].log_softmax(-1), tried.log_softmax(-1)[None]))

    @property
    def _predictors(self) -> list[Predictor]:
        """Each layer's predictor; none where vectors are each prompt's own."""
        tensors = [t for t in (self.w_in, self.b_in, self.w_out, self.b_out) if t is not None]
        return [Predictor(*parts) for parts in zip(*tensors, strict=True)]

    def _directions(self, seen: Readings, prompts: int) -> list[Sequence[Tensor | Predictor]]:
        """Return each prompt's directions, layer by layer."""
        if self._predictors:
            return [self._predictors] * prompts
        states = [seen.hidden[layer].unflatten(0, (prompts, -1)) for layer in self.layers]
        return [[own[k, 0] - own[k, -1] for own in states] for k in range(prompts)]

    def _candidates(self, directions: Sequence[Tensor | Predictor], strength: float) -> list[Edits]:
        """List nothing, then every layer's direction at every strength, the weakest first."""
        tried = product(self.strengths, zip(self.layers, directions, strict=True))
        return [(), *((AddVector(layer, d, strength * own, self.positions),) for own, (layer, d) in tried)]


def nearest(
    wanted: Float[Tensor, "items vocabulary"], steered: Float[Tensor, "items candidates vocabulary"]
) -> Int[Tensor, " items"]:
    """Pick the candidate whose answer is nearest to the target's own by KL(wanted || candidate).

    Args:
        wanted: Log-probabilities of the first answer token when the model is given the target alone,
            ``(items, vocabulary)``.
        steered: Those under each candidate, ``(items, candidates, vocabulary)``.

    Returns:
        Each item's candidate, ``(items,)``.
    """
    return torch.stack([kl(wanted, part) for part in steered.unbind(1)], dim=1).argmin(-1)
