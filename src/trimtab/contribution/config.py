"""What can be chosen about the Modality Contribution Score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trimtab.errors import UsageError

Divergence = Literal["ce", "kl"]
DIVERGENCES: tuple[Divergence, ...] = ("ce", "kl")


@dataclass(frozen=True)
class ContributionConfig:
    """Options of Algorithm 1 of AMPS (arXiv 2602.12533).

    The paper leaves the sigmas and the number of draws open. Here a sigma is a share of the standard deviation
    of the very entries it perturbs: those of one item, one modality and one layer, keys and values apart. So
    one set of sigmas suits models and layers of any scale. Rounding of the logits in float32 moves a score by some
    1e-5 of itself at sigma 0.2, 1e-4 at 0.05 and 2e-3 at 0.003.

    Attributes:
        sigmas: Sizes of the noise; the score is the mean over them. With ``"ce"`` it grows with the square of sigma, so
            the largest one counts most.
        draws: Noise draws for each sigma (N in eq. 7).
        seed: Seed of the noise. Each draw depends on it and on the item's id, modality, sigma and number alone,
            so neither batches nor the other items change a score.
        divergence: ``"ce"``: cross entropy of the noisy answer under the clean one, as in Algorithm 1. ``"kl"``:
            the same less its value without noise; the score then hardly depends on sigma.
    """

    sigmas: tuple[float, ...] = (0.1, 0.2)
    draws: int = 2
    seed: int = 0
    divergence: Divergence = "ce"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sigmas", tuple(float(s) for s in self.sigmas))
        if not self.sigmas or not all(math.isfinite(s) and s > 0 for s in self.sigmas):
            raise UsageError(
                f"`sigmas` of ContributionConfig must be one or more positive numbers; got {self.sigmas}; the "
                "default is (0.1, 0.2)."
            )
        if self.draws < 1:
            raise UsageError(f"`draws` of ContributionConfig must be at least 1; got {self.draws}; give 1.")
        if self.divergence not in DIVERGENCES:
            raise UsageError(
                f"`divergence` of ContributionConfig must be one of {', '.join(DIVERGENCES)}; got {self.divergence!r}."
            )
