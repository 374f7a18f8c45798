"""Learn-to-Steer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from trimtab.engine import Predictor
from trimtab.steering.l2s.network import NetworkConfig, fit_network
from trimtab.steering.method import VectorMethod, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class L2S(VectorMethod):
    """A network that predicts each item's steering vector from its plain state (arXiv 2508.12815).

    See ``VectorMethod`` for the other attributes.

    Attributes:
        network: Size and training of the network.
    """

    name: ClassVar[str] = "l2s"
    title: ClassVar[str] = "L2S"
    colour: ClassVar[str] = "#0072B2"
    compared_with: ClassVar[tuple[str, ...]] = ("none",)
    forms: ClassVar[tuple[str, ...]] = ("predictor",)

    network: NetworkConfig = field(default_factory=NetworkConfig)

    def learn(self, train: TrainingSet, layer: int) -> tuple[Predictor, dict[str, Any]]:
        """Train the network on the items' steering vectors."""
        vectors = train.states.steering_vectors(self.target, layer)
        return fit_network(train.states.plain[layer], vectors, self.network, self.seed)
