"""AMPS's scaling at test time: the prompt's own ratio says how strong its vector is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float64
from torch import Tensor

from trimtab.contribution import measure_prompts
from trimtab.engine import Capability, Edit, ModelOrEngine, Prompt
from trimtab.modalities import MODALITIES, Modality
from trimtab.steering.amps.factors import Reading, factors_of, that_counts
from trimtab.steering.amps.ratio import Ratio, measured_by
from trimtab.steering.chooser import Chooser, register_chooser, scaled

if TYPE_CHECKING:
    from trimtab.steering.artifact import Artifact


@register_chooser
@dataclass(frozen=True, eq=False)
class RatioChooser(Chooser):
    """The scaling of a prompt's own ratio; see ``trimtab.steering.amps.scaling``.

    Attributes:
        target: The modality to follow.
        ratio: How shares are measured.
        reading: The formula.
        beta: How much the share matters.
        mean: Mean of the share that counts, over the training items.
        unit: What the distance from it is measured in.
        divisor: What the scaling is divided by; 1, but for ``normalised``.
        seed: Seed of a sampled ratio.
    """

    kind: ClassVar[str] = "ratio"
    needs: ClassVar[frozenset[Capability]] = Chooser.needs | {Capability.CACHE, Capability.GRADIENTS}

    target: Modality
    ratio: Ratio
    reading: Reading
    beta: float
    mean: float
    unit: float
    divisor: float
    seed: int

    def edits(
        self, model: ModelOrEngine, prompts: Sequence[Prompt], artifact: Artifact, strength: float
    ) -> list[tuple[Edit, ...]]:
        """Return ``AddVector`` with each prompt's own strength."""
        return scaled(artifact, self.factors(model, prompts), strength)

    def factors(self, model: ModelOrEngine, prompts: Sequence[Prompt]) -> Float64[Tensor, " prompts"]:
        """Measure every prompt; one that cannot be measured, as with a single modality, counts as average.

        A prompt is measured once, however many strengths it is asked at.
        """
        new = [prompt for prompt in prompts if prompt not in self._known]
        for prompt, one in zip(new, measure_prompts(model, new, measured_by(self.ratio, self.seed)), strict=True):
            self._known[prompt] = self._share(None if one is None else one.shares)
        own = torch.tensor([self._known[prompt] for prompt in prompts], dtype=torch.float64)
        return factors_of(own, self.mean, self.unit, self.reading, self.beta) / self.divisor

    @cached_property
    def _known(self) -> WeakKeyDictionary[Prompt, float]:
        """The shares that count of the prompts measured so far, as long as somebody holds these."""
        return WeakKeyDictionary()

    def _share(self, shares: Mapping[Modality, float] | None) -> float:
        """Return the share that counts; NaN if there is none."""
        if shares is None or self.target not in shares:
            return math.nan
        ordered: dict[Modality, Tensor] = {
            name: torch.tensor([shares[name]], dtype=torch.float64) for name in MODALITIES if name in shares
        }
        return float(that_counts(ordered, self.target, self.reading))
