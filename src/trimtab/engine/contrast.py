"""Contrastive decoding: several prompts answered as one, by a weighted sum of their next-token log-probabilities."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.engine.row import Row
from trimtab.errors import UsageError


@dataclass(frozen=True, eq=False)
class Contrast:
    """Rows answered as one: each next token is the best by ``sum_k weight_k log p_k``, and all rows are fed it.

    Attributes:
        rows: The branches; the first says what is plausible.
        weights: One for each branch; VCD and VDD take ``1 + alpha`` and ``-alpha``.
        plausibility: Tokens whose probability under the first branch is below this share of its best token's are
            never chosen (arXiv 2311.16922, eq. 5: beta).
    """

    rows: tuple[Row, ...]
    weights: tuple[float, ...]
    plausibility: float = 0.1

    def __post_init__(self) -> None:
        if not self.rows or len(self.rows) != len(self.weights) or not all(map(math.isfinite, self.weights)):
            raise UsageError(
                f"`weights` of Contrast must be one finite number for each of its rows; got {len(self.rows)} rows and "
                f"the weights {self.weights}."
            )
        if not 0 < self.plausibility <= 1:
            raise UsageError(
                f"`plausibility` of Contrast must be above 0 and at most 1; got {self.plausibility}; VCD uses 0.1."
            )


def combine(
    logits: Float[Tensor, "rows vocabulary"], contrasts: Sequence[Contrast]
) -> Float32[Tensor, "contrasts vocabulary"]:
    """Add the branches' log-probabilities up, and rule implausible tokens out."""
    scores = logits.float().log_softmax(-1)
    counts = [len(c.rows) for c in contrasts]
    owner = torch.repeat_interleave(torch.tensor(counts, device=scores.device))
    weights = torch.tensor([w for c in contrasts for w in c.weights], device=scores.device)
    total = scores.new_zeros(len(contrasts), scores.shape[-1]).index_add_(0, owner, weights[:, None] * scores)
    first = scores[torch.tensor([0, *counts[:-1]], device=scores.device).cumsum(0)]
    floors = torch.tensor([math.log(c.plausibility) for c in contrasts], device=scores.device)
    return total.masked_fill(first < first.max(-1, keepdim=True).values + floors[:, None], -math.inf)
