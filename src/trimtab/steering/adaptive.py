"""What the adaptive methods share: they adapt the strength of another method's vector to each item."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.engine import Predictor
from trimtab.steering.l2s import NetworkConfig, fit_network
from trimtab.steering.method import VectorMethod
from trimtab.steering.training_set import TrainingSet

Base = Literal["mean", "l2s"]


@dataclass(frozen=True)
class AdaptiveMethod(VectorMethod):
    """A method that multiplies a mean or learned vector by a factor of its own for each item.

    See ``VectorMethod`` for the other attributes.

    Attributes:
        base: Whose vector: the mean difference, as the adaptive papers have it, or Learn-to-Steer's prediction.
        network: Size and training of the network, for ``base="l2s"``.
    """

    base: Base = "l2s"
    network: NetworkConfig = field(default_factory=NetworkConfig)

    @property
    def is_seeded(self) -> bool:
        """Whether the base is a network."""
        return self.base == "l2s"

    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor | Predictor, dict[str, Any]]:
        """Learn the base method's vector."""
        vectors = train.states.steering_vectors(self.target, layer)
        if self.base == "mean":
            return vectors.mean(0), {}
        return fit_network(train.states.plain[layer], vectors, self.network, self.seed)


def principal_axes(states: Float[Tensor, "items hidden"], share: float) -> Float32[Tensor, "hidden axes"]:
    """Return the fewest principal axes that hold a share of the states' variance, ``(hidden, axes)``."""
    _, sizes, axes = torch.linalg.svd(states.double() - states.double().mean(0), full_matrices=False)
    held = sizes.square().cumsum(0) / sizes.square().sum().clamp_min(1e-24)
    return axes[: int((held < share).sum()) + 1].T.float()
