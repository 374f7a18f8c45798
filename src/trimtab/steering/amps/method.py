"""AMPS."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch

from trimtab.contribution import MCS
from trimtab.engine import Capability, Predictor
from trimtab.steering.amps.factors import Anchor, Reading, scaling
from trimtab.steering.l2s import NetworkConfig, fit_network
from trimtab.steering.method import Method, VectorMethod, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class AMPS(VectorMethod):
    """Learn-to-Steer's network, trained on vectors scaled by modality contribution (arXiv 2602.12533).

    See ``VectorMethod`` for the other attributes.

    Attributes:
        reading: How to read the paper's scaling; see ``scaling``. ``"auto"``: ``tune`` tries ``literal`` and
            ``prose`` and keeps the better one on validation items; ``fit``, which has none, takes ``"prose"``.
        beta: How much the share matters (eq. 9).
        anchor: Whether an item's share is set against its task's mean or against that of all items.
        shuffled: Give the scalings to items at random instead: the control for whether their assignment matters.
        contribution: How shares are measured; left out, by the paper's cross entropy.
        network: Size and training of the network.
    """

    name: ClassVar[str] = "amps"
    title: ClassVar[str] = "AMPS"
    colour: ClassVar[str] = "#D55E00"
    compared_with: ClassVar[tuple[str, ...]] = ("l2s", "instruction", "none")
    forms: ClassVar[tuple[str, ...]] = ("predictor",)
    needs: ClassVar[frozenset[Capability]] = VectorMethod.needs | {Capability.CACHE, Capability.GRADIENTS}

    reading: Reading | Literal["auto"] = "auto"
    beta: float = 1.0
    anchor: Anchor = "task"
    shuffled: bool = False
    contribution: MCS = field(default_factory=lambda: MCS(divergence="ce", estimator="sampled"))
    network: NetworkConfig = field(default_factory=NetworkConfig)

    def variants(self) -> Mapping[str, Method]:
        """Return a method for each reading that tuning may choose."""
        readings = ("literal", "prose") if self.reading == "auto" else (self.reading,)
        return {reading: replace(self, reading=reading) for reading in readings}

    def learn(self, train: TrainingSet, layer: int) -> tuple[Predictor, dict[str, Any]]:
        """Train the network on the items' scaled steering vectors."""
        reading: Reading = "prose" if self.reading == "auto" else self.reading
        shares = train.shares(replace(self.contribution, seed=self.seed))
        tasks = [item.task for item in train.items]
        factors = scaling(shares, tasks, self.target, reading, self.beta, self.anchor)
        if self.shuffled:
            factors = factors[torch.randperm(len(factors), generator=torch.Generator().manual_seed(self.seed))]
        vectors = train.states.steering_vectors(self.target, layer) * factors[:, None].float()
        network, metrics = fit_network(train.states.plain[layer], vectors, self.network, self.seed)
        return network, {
            **metrics,
            "reading": reading,
            "scaling": {
                "mean": float(factors.mean()),
                "std": float(factors.std(correction=0)),
                "min": float(factors.min()),
                "max": float(factors.max()),
                "at_zero": int((factors == 0).sum()),
                "items_without_ratio": int(shares[self.target].isnan().sum()),
            },
        }
