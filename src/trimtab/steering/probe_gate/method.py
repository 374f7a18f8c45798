"""A binary gate, read off the plain state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trimtab.engine import Predictor, Readings
from trimtab.steering.adaptive import AdaptiveMethod
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser, register_chooser
from trimtab.steering.looking import StrengthChooser
from trimtab.steering.method import register
from trimtab.steering.training_set import TrainingSet

RIDGE = 0.1
"""Penalty of the probe, as a share of the items' number: states have more dimensions than there are items."""


@register_chooser
@dataclass(frozen=True, eq=False)
class ProbeGateChooser(StrengthChooser):
    """1 where ``weights . h < threshold``, else 0.

    Attributes:
        weights: The probe, ``(hidden,)``; larger is "follows the target by itself".
        threshold: Above it, nothing is done.
    """

    kind: ClassVar[str] = "probe_gate"

    weights: Tensor
    threshold: float

    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Gate every prompt's plain state."""
        assert artifact.layer is not None
        return (seen.hidden[artifact.layer] @ self.weights < self.threshold).float()


@register
@dataclass(frozen=True)
class ProbeGate(AdaptiveMethod):
    """Full strength or none, by a linear probe (CAST, arXiv 2409.05907; AutoSteer, arXiv 2507.13255).

    The probe learns from the training items whether the model, unsteered, gives the target's answer. See
    ``AdaptiveMethod`` for the attributes.
    """

    name: ClassVar[str] = "probe_gate"
    title: ClassVar[str] = "probe gate"
    colour: ClassVar[str] = "#999933"

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Fit the probe by ridge regression on labels of +1 and -1."""
        states = train.states.plain[layer].double()
        follows = torch.tensor([label == self.target for label in train.labels])
        labels = 2 * follows.double() - 1
        center, spread = states.mean(0), states.std(0, correction=0).clamp_min(1e-6)
        inputs = (states - center) / spread
        penalty = RIDGE * len(inputs) * torch.eye(inputs.shape[1], dtype=torch.float64)
        probe = torch.linalg.solve(inputs.T @ inputs + penalty, inputs.T @ (labels - labels.mean()))
        weights = probe / spread
        threshold = float(weights @ center - labels.mean())
        right = (states @ weights >= threshold) == follows
        found = {"follows": float(follows.double().mean()), "probe_accuracy": float(right.double().mean())}
        return ProbeGateChooser(weights.float(), threshold), found
