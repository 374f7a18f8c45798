"""A random direction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from trimtab.steering.method import VectorMethod, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class RandomDirection(VectorMethod):
    """A random vector, as long as the items' steering vectors are on average (L2S's Norm-Rnd, arXiv 2508.12815).

    What it gains, any push of that size gains. One vector is drawn for all items, where L2S draws one for each; a study
    draws several, one for each seed. See ``VectorMethod`` for the attributes.
    """

    name: ClassVar[str] = "random"
    title: ClassVar[str] = "random"
    colour: ClassVar[str] = "#BBBBBB"
    forms: ClassVar[tuple[str, ...]] = ("vector",)
    least_seeds: ClassVar[int] = 5

    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor, dict[str, Any]]:
        """Draw the vector from the seed."""
        vectors = train.states.steering_vectors(self.target, layer)
        drawn = torch.randn(vectors.shape[1], generator=torch.Generator().manual_seed(self.seed))
        norm = vectors.norm(dim=-1).mean()
        return drawn * (norm / drawn.norm()), {"norm": float(norm)}
