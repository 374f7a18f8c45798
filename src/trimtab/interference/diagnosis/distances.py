"""How far two option distributions are apart.

Not by ``trimtab.divergences``: options are few and stand in tables as probabilities of which some are 0, so these floor
them; its logarithms would change the last digits of stored tables.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FLOOR = 1e-12
"""Smallest probability that counts: an option ruled out entirely would make the divergence infinite."""

Distribution = NDArray[np.float64]


def kl(p: Distribution, q: Distribution) -> float:
    """Return the Kullback-Leibler divergence KL(p || q) in nats."""
    p, q = np.clip(p, FLOOR, None), np.clip(q, FLOOR, None)
    return max(0.0, float((p * (np.log(p) - np.log(q))).sum()))


def js(p: Distribution, q: Distribution) -> float:
    """Return the Jensen-Shannon divergence in nats, ``KL(p || m) / 2 + KL(q || m) / 2`` with ``m = (p + q) / 2``.

    It is symmetric and at most ln 2.
    """
    middle = (p + q) / 2
    return min(math.log(2), (kl(p, middle) + kl(q, middle)) / 2)


def total_variation(p: Distribution, q: Distribution) -> float:
    """Return the total variation distance, the largest difference in probability of any set of options."""
    return float(np.abs(p - q).sum() / 2)
