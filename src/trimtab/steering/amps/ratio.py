"""How the ratio that scales AMPS's vectors is measured, and how far it can be relied on."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Literal, TypeGuard

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.contribution import MCS, Method, Shapley
from trimtab.contribution.ranks import spearman
from trimtab.modalities import Modality
from trimtab.steering.training_set import TrainingSet

Ratio = Literal["kl_limit", "ce_limit", "ce_sampled", "shapley"]

RATIOS: dict[Ratio, Method] = {
    "kl_limit": MCS(),
    "ce_limit": MCS(divergence="ce"),
    "ce_sampled": MCS.paper(),
    "shapley": Shapley(),
}
"""Ways to measure shares by the names that AMPS knows them by."""


def measured_by(ratio: Ratio, seed: int) -> Method:
    """Return the method behind a name; the seed matters to what is sampled alone."""
    method = RATIOS[ratio]
    return replace(method, seed=seed) if _is_sampled(method) else method


def shares_and_reliability(
    train: TrainingSet, ratio: Ratio, target: Modality, seed: int
) -> tuple[dict[Modality, Float[Tensor, " items"]], float | None]:
    """Measure the training items' shares, and how far they can be relied on.

    Returns:
        Each modality's share in each item, ``(items,)``; and the rank correlation of the target's share between this
        seed and another, over the items that have both: 1 for what is exact, None if it is not defined.
    """
    shares = train.shares(measured_by(ratio, seed))
    if not _is_sampled(RATIOS[ratio]):
        return shares, 1.0
    other_seed = seed - 1 if seed else 1
    first, second = shares[target], train.shares(measured_by(ratio, other_seed))[target]
    both = torch.isfinite(first) & torch.isfinite(second)
    found = spearman(first[both].numpy(), second[both].numpy()) if both.sum() > 1 else math.nan
    return shares, None if math.isnan(found) else found


def _is_sampled(method: Method) -> TypeGuard[MCS]:
    return isinstance(method, MCS) and method.estimator == "sampled"
