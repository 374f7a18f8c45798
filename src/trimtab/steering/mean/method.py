"""The mean of the items' steering vectors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from torch import Tensor

from trimtab.steering.method import VectorMethod, register
from trimtab.steering.training_set import TrainingSet

Norm = Literal["raw", "items", "states"]


@register
@dataclass(frozen=True)
class MeanDifference(VectorMethod):
    """The mean difference of states under the target's instruction and the others' (MC2, arXiv 2505.20977).

    See ``VectorMethod`` for the other attributes; the seed has no effect.

    Attributes:
        norm: Length of the vector: ``raw``: the mean's own, which is short where items disagree; ``items``: the mean
            length of the items' vectors; ``states``: that of the plain states, so that the strength is a share of
            the state it is added to.
    """

    name: ClassVar[str] = "mean"
    title: ClassVar[str] = "mean"
    phrase: ClassVar[str] = "the mean vector"
    colour: ClassVar[str] = "#56B4E9"
    forms: ClassVar[tuple[str, ...]] = ("vector",)

    norm: Norm = "raw"

    @property
    def is_seeded(self) -> bool:
        """Nothing is random."""
        return False

    def learn(self, train: TrainingSet, layer: int) -> tuple[Tensor, dict[str, Any]]:
        """Return the mean steering vector."""
        vectors = train.states.steering_vectors(self.target, layer)
        mean = vectors.mean(0)
        lengths = {"raw": mean, "items": vectors, "states": train.states.plain[layer]}
        wanted = lengths[self.norm].norm(dim=-1).mean()
        return mean * (wanted / mean.norm().clamp_min(1e-12)), {
            "norm": float(wanted),
            "norm_of_mean": float(mean.norm()),
            "mean_norm_of_items": float(vectors.norm(dim=-1).mean()),
        }
