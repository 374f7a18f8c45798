"""The largest strength that keeps the state inside the target's distribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trimtab.engine import Predictor, Readings
from trimtab.fields import Portion, Positive
from trimtab.steering.adaptive import AdaptiveMethod, principal_axes
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import Chooser, register_chooser, vectors_of
from trimtab.steering.looking import StrengthChooser
from trimtab.steering.method import register
from trimtab.steering.training_set import TrainingSet


@register_chooser
@dataclass(frozen=True, eq=False)
class MahalanobisChooser(StrengthChooser):
    """The larger root of ``|W (h + a v - mu)|^2 = eps^2``; where there is none, the nearest approach.

    Attributes:
        whiten: W: principal axes, then division by the cloud's own spread, ``(axes, hidden)``.
        center: mu, ``(hidden,)``.
        radius: eps.
        max_strength: Cap on the strength.
    """

    kind: ClassVar[str] = "mahalanobis"
    earlier: ClassVar[Mapping[str, str]] = {"most": "max_strength"}

    whiten: Tensor
    center: Tensor
    radius: float
    max_strength: float

    def factors(self, seen: Readings, artifact: Artifact) -> Tensor:
        """Solve for the strength of every prompt's plain state."""
        assert artifact.layer is not None
        assert artifact.direction is not None
        states = seen.hidden[artifact.layer]
        return self.roots(states, vectors_of(artifact.direction, states))

    def roots(self, states: Tensor, vectors: Tensor) -> Tensor:
        """Return each state's largest strength along its vector, ``(rows,)``, between 0 and ``max_strength``."""
        moved, offset = vectors @ self.whiten.T, (states - self.center) @ self.whiten.T
        a = moved.square().sum(-1).clamp_min(1e-12)
        half_b = (moved * offset).sum(-1)
        inside = half_b.square() - a * (offset.square().sum(-1) - self.radius**2)
        return ((inside.clamp_min(0).sqrt() - half_b) / a).clamp(0, self.max_strength)


@register
@dataclass(frozen=True)
class Mahalanobis(AdaptiveMethod):
    """The largest strength that keeps the state in the target's distribution (IDS, arXiv 2510.13285).

    The cloud is that of the training items' states under the instruction to follow the target, on the principal axes
    of all clouds; its radius is the 95th percentile of its own members' distances. See ``AdaptiveMethod`` for the
    other attributes.

    Attributes:
        variance: Share of the variance that the axes hold; the paper's 0.4.
        max_strength: Cap on the strength, where the vector hardly leaves the cloud.
    """

    name: ClassVar[str] = "mahalanobis"
    title: ClassVar[str] = "Mahalanobis-capped"
    colour: ClassVar[str] = "#AA4499"

    variance: Portion = 0.4
    max_strength: Positive = 8.0

    def choose(
        self, train: TrainingSet, layer: int, direction: Tensor | Predictor
    ) -> tuple[Chooser | None, dict[str, Any]]:
        """Estimate the target's cloud."""
        states = train.states
        ours, theirs = states.instructed[self.target][layer], states.opposed(self.target, layer)
        axes = principal_axes(torch.cat([ours, *theirs]), self.variance)
        center = ours.mean(0)
        projected = (ours - center) @ axes
        # A ridge of a thousandth of the mean variance, so that a few items give a cloud that can be inverted.
        covariance = projected.T @ projected / len(ours)
        ridge = 1e-3 * covariance.diagonal().mean().clamp_min(1e-12)
        factor = torch.linalg.cholesky(covariance + ridge * torch.eye(len(covariance)))
        whiten = torch.linalg.solve_triangular(factor, axes.T, upper=False)
        distances = ((ours - center) @ whiten.T).norm(dim=-1)
        radius = float(distances.quantile(0.95))
        return MahalanobisChooser(whiten, center, radius, self.max_strength), {"axes": axes.shape[1], "radius": radius}
