"""AMPS's per-item factor on the steering vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.modalities import PAIR, Modality, in_order, others

Reading = Literal["literal", "prose", "gamma", "doubled_prose", "normalised", "standardised"]
Anchor = Literal["task", "all"]

_OPPOSITE: tuple[Reading, ...] = ("prose", "doubled_prose", "standardised")
_DOUBLED: tuple[Reading, ...] = ("literal", "doubled_prose", "normalised")


def scaling(
    shares: Mapping[Modality, Float[Tensor, " items"]],
    tasks: Sequence[str],
    target: Modality,
    reading: Reading,
    beta: float,
    anchor: Anchor = "task",
) -> Float[Tensor, " items"]:
    """Compute each item's scaling from its modalities' shares and their means over its task.

    The paper's formula and its words disagree (arXiv 2602.12533, eq. 9 and 11). With r the item's visual ratio, mu its
    mean, and r_opp, mu_opp those of the modality opposite the target:

    - ``literal``: ``1 + gamma`` with ``gamma = 1 + beta (r - mu) / mu``, whatever the target. An average item is
      scaled by 2.
    - ``gamma``: gamma itself; an average item is scaled by 1.
    - ``normalised``: ``literal`` over its mean, which leaves the assignment and takes away the doubling.
    - ``prose``: ``1 + beta (r_opp - mu_opp) / mu_opp``: more strength where the item leans on what it should not
      follow, as the text says. An average item is scaled by 1.
    - ``doubled_prose``: that and 1 more, as eq. 11 would have it.
    - ``standardised``: ``1 + beta (r_opp - mu_opp) / std``, the same in units of the ratio's own spread.

    The paper knows image and text alone. Among other modalities r is the target's share, and r_opp that of all others
    together. A scaling below 0 would turn the vector round, and becomes 0. An item without shares counts as average.

    Args:
        shares: Share of each modality in each item, ``(items,)`` each; NaN where there is none.
        tasks: Task of each item.
        target: The modality to follow.
        reading: The formula.
        beta: How much the share matters; 0 scales all items alike.
        anchor: Whether mean and spread are those of the item's task, as in the paper, or of all items.

    Returns:
        The scaling of each item, ``(items,)``.
    """
    own = that_counts(shares, target, reading)
    factors = torch.empty_like(own)
    for group in set(tasks) if anchor == "task" else ("all",):
        members = torch.tensor([anchor == "all" or task == group for task in tasks])
        factors[members] = factors_of(own[members], *mean_and_unit(own[members], reading), reading, beta)
    return factors / factors.mean() if reading == "normalised" else factors


def mean_and_unit(own: Float[Tensor, " items"], reading: Reading) -> tuple[float, float]:
    """Return the mean of the shares that count, and what a distance from it is measured in; 0 where there are none."""
    mean = own.nanmean()
    unit = mean if reading != "standardised" else (own - mean).square().nanmean().sqrt()
    return float(mean.nan_to_num()), float(unit.nan_to_num())


def factors_of(
    own: Float[Tensor, " items"], mean: float, unit: float, reading: Reading, beta: float
) -> Float[Tensor, " items"]:
    """Return the scaling of shares that count, given their mean and unit, before ``normalised`` divides it."""
    factors = torch.full_like(own, 2.0 if reading in _DOUBLED else 1.0)
    if unit > 0:
        factors += (beta * (own - mean) / unit).nan_to_num(nan=0.0)
    return factors.clamp_min(0)


def that_counts(
    shares: Mapping[Modality, Float[Tensor, " items"]], target: Modality, reading: Reading
) -> Float[Tensor, " items"]:
    """Return the share that a reading goes by, ``(items,)``."""
    if reading in _OPPOSITE:
        return torch.stack([shares[other] for other in others(target, shares)]).sum(0)
    return shares["image"] if in_order(shares) == PAIR else shares[target]
