"""AMPS's per-item factor on the steering vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from trimtab.data.prompts import Modality

Reading = Literal["literal", "prose"]
READINGS: tuple[Reading, ...] = ("literal", "prose")


def scaling(ratios: Tensor, tasks: Sequence[str], target: Modality, reading: Reading, beta: float) -> Tensor:
    """Compute each item's scaling from its visual ratio r and the mean ratio mu of its task.

    The paper's formula and its words disagree (arXiv 2602.12533, eq. 9 and 11):

    - ``literal``: ``1 + gamma`` with ``gamma = 1 + beta (r - mu) / mu``, whatever the target. An average item is
      scaled by 2.
    - ``prose``: ``1 + beta (r_opp - mu_opp) / mu_opp``, with r_opp the ratio of the modality opposite the target:
      more strength where the item leans on what it should not follow. An average item is scaled by 1.

    A scaling below 0 would turn the vector round, and becomes 0. An item without a ratio counts as average.

    Args:
        ratios: Visual ratio of each item, ``(items,)``; NaN where there is none.
        tasks: Task of each item.
        target: The modality to follow.
        reading: The formula.
        beta: How much the ratio matters; 0 scales all items alike.

    Returns:
        The scaling of each item, ``(items,)``.
    """
    own = ratios if reading == "literal" or target == "text" else 1 - ratios
    base = 2.0 if reading == "literal" else 1.0
    factors = torch.full_like(own, base)
    for task in set(tasks):
        members = torch.tensor([t == task for t in tasks])
        mean = own[members].nanmean()
        if mean > 0:
            factors[members] += (beta * (own[members] - mean) / mean).nan_to_num(nan=0.0)
    return factors.clamp_min(0)
