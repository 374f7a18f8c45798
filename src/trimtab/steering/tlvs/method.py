"""Token-level visual-sensitivity steering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from trimtab.engine import AddGatedVector, Capability, Edit, ModelOrEngine, Predictor, Prompt
from trimtab.errors import UsageError
from trimtab.fields import Count, Portion
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.method import VectorMethod, register
from trimtab.steering.tlvs.sensitivity import Sensitivity, token_sensitivity
from trimtab.steering.training_set import TrainingSet

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact

RIDGE = 0.1
"""Penalty of the probe, as a share of the tokens' number."""


@register_chooser
@dataclass(frozen=True, eq=False)
class GateChooser(Chooser):
    """The artifact's vector behind a gate that each token opens by its own state; see ``AddGatedVector``.

    Attributes:
        weights: Of the gate, ``(hidden,)``.
        offset: Of the gate.
    """

    kind: ClassVar[str] = "gate"
    has_strength: ClassVar[bool] = True

    weights: Tensor
    offset: float

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return the same gated vector for each prompt."""
        assert artifact.layer is not None
        assert artifact.direction is not None
        rule = (artifact.layer, artifact.direction, strength, artifact.positions, self.weights, self.offset)
        return [(AddGatedVector(*rule),) for _ in prompts]


@register
@dataclass(frozen=True)
class TLVS(VectorMethod):
    """Steer each token as far as it depends on what is shown (TLVS, arXiv 2606.07647).

    Of the paper only its abstract could be had: vectors are drawn from differences between states with and without the
    image, token by token and not averaged over the whole answer, and refined; a little calibration makes the strength
    of each decoded token depend on its visual sensitivity. The formulas are ours. A token's sensitivity is
    ``KL(p(. | all) || p(. | all but the target))`` of the token that follows; the vector is the mean of the differences
    ``h(all) - h(all but the target)`` of the most sensitive tokens, weighted by it; and the gate is a ridge regression
    of the sensitivity, 1 at the ``full_at`` quantile and cut to 0..1, on the token's state. So no token needs a second
    pass. Tokens are those of the model's own greedy answers to the training items.

    Published toward the image; its mirrors here go by the context, the sound or the clip. See ``VectorMethod`` for the
    other attributes.

    Attributes:
        steps: Most tokens of each answer.
        share: Share of the tokens that the vector is made of, the most sensitive ones.
        full_at: Quantile of the sensitivity at which the gate is open.
    """

    name: ClassVar[str] = "tlvs"
    title: ClassVar[str] = "TLVS"
    colour: ClassVar[str] = "#4477AA"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "mean")
    forms: ClassVar[tuple[str, ...]] = ("vector",)
    needs: ClassVar[frozenset[Capability]] = VectorMethod.needs | {Capability.LOGITS}

    steps: Count = 4
    share: Portion = 0.5
    full_at: Portion = 0.9

    @property
    def is_seeded(self) -> bool:
        """Nothing is random."""
        return False

    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor, dict[str, Any]]:
        """Average the most sensitive tokens' differences."""
        found = self._found(train)
        kept = found.nats.topk(max(1, round(self.share * len(found.nats)))).indices
        weights = found.nats[kept] / found.nats[kept].sum().clamp_min(1e-12)
        vector = weights @ found.differences[layer][kept]
        return vector, {"tokens": len(found.nats), "mean_sensitivity": float(found.nats.mean())}

    def choose(self, train: TrainingSet, layer: int, direction: Tensor | Predictor) -> tuple[Chooser, dict[str, Any]]:
        """Fit the gate."""
        found = self._found(train)
        unit = found.nats.quantile(self.full_at).clamp_min(1e-12)
        wanted = (found.nats / unit).clamp(max=1).double()
        states = found.states[layer].double()
        center, spread = states.mean(0), states.std(0, correction=0).clamp_min(1e-6)
        inputs = (states - center) / spread
        penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
        probe = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ (wanted - wanted.mean()))
        weights = probe / spread
        offset = float(wanted.mean() - weights @ center)
        gates = (states @ weights + offset).clamp(0, 1)
        about = {"mean_gate": float(gates.mean()), "gate_error": float((gates - wanted).square().mean().sqrt())}
        return GateChooser(weights.float(), offset), about

    def _found(self, train: TrainingSet) -> Sensitivity:
        key = (self.name, self.target, self.steps)
        found = train.once(key, lambda: token_sensitivity(train, self.target, self.steps))
        if not len(found.nats):
            raise UsageError(
                f"`items` of TLVS.fit must hold some that show the {self.target} beside something else; got none; give "
                "conflict items."
            )
        return found
