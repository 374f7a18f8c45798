"""The mean of the items' steering vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from trimtab.steering.method import VectorMethod, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class MeanDifference(VectorMethod):
    """The mean difference of states under the two instructions (MC2, arXiv 2505.20977; L2S's Mean-S).

    See ``VectorMethod`` for the attributes; the seed has no effect.
    """

    name: ClassVar[str] = "mean"

    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor, dict[str, Any]]:
        """Return the mean steering vector."""
        vectors = train.states.steering_vectors(self.target, layer)
        mean = vectors.mean(0)
        return mean, {"norm": float(mean.norm()), "mean_norm_of_items": float(vectors.norm(dim=-1).mean())}
