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
from trimtab.engine import AddVector, Capability, Edit, ModelOrEngine, Positions, Predictor, Prompt, Read, Row, run
from trimtab.modalities import Modality
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.gate import find_conflicts, target_alone

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

Edits = tuple[Edit, ...]


@register_chooser
@dataclass(frozen=True, eq=False)
class AutotrimChooser(Chooser):
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

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[Edits]:
        """Try every candidate on every prompt that is a conflict, as rows of one run, and keep each prompt's best.

        A prompt without the target, or with it alone, cannot be one. ``strength`` multiplies the candidates' own.
        """
        found: list[Edits] = [()] * len(prompts)
        for places, wanted in find_conflicts(model, prompts, self.target, self.min_confidence):
            if places:
                best = self._best(model, [prompts[k] for k in places], wanted, strength)
                for k, edits in zip(places, best, strict=True):
                    found[k] = edits
        return found

    def _best(self, model: ModelOrEngine, prompts: Sequence[Prompt], wanted: Tensor, strength: float) -> list[Edits]:
        """Return each prompt's best candidate, given what its target alone answers."""
        candidates = [self._candidates(own, strength) for own in self._directions(model, prompts)]
        tried = [Row(prompt, edits) for prompt, own in zip(prompts, candidates, strict=True) for edits in own]
        steered = run(model, tried).logits.log_softmax(-1).unflatten(0, (len(prompts), -1))
        return [own[k] for own, k in zip(candidates, nearest(wanted, steered).tolist(), strict=True)]

    def _directions(self, model: ModelOrEngine, prompts: Sequence[Prompt]) -> list[Sequence[Tensor | Predictor]]:
        """Return each prompt's directions, layer by layer."""
        tensors = [t for t in (self.w_in, self.b_in, self.w_out, self.b_out) if t is not None]
        if tensors:
            return [[Predictor(*parts) for parts in zip(*tensors, strict=True)]] * len(prompts)
        rows = [*(Row(target_alone(prompt, self.target)) for prompt in prompts), *map(Row, prompts)]
        states = run(model, rows, Read(logits=False, hidden=tuple(self.layers))).hidden
        moves = [torch.sub(*states[layer].split(len(prompts))) for layer in self.layers]
        return [[move[k] for move in moves] for k in range(len(prompts))]

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
