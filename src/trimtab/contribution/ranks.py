"""Rank statistics of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from trimtab.errors import UsageError

DRAWS = 2000
"""Bootstrap samples of an interval."""


class Auroc(NamedTuple):
    """Area under the ROC curve with its 95 % bootstrap interval over items."""

    value: float
    low: float
    high: float
    positives: int
    n: int


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Return the rank correlation of two series; NaN if one of them is constant."""
    from scipy.stats import rankdata

    a, b = rankdata(first), rankdata(second)
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])


def auroc(scores: Sequence[float], positive: Sequence[bool], seed: int = 0) -> Auroc:
    """Return how well a score tells positive items from the others: the chance that a positive one scores higher.

    Ties count half. Bootstrap samples without both kinds of items are left out of the interval. Where all samples give
    the same, as where the score tells all items apart, the interval holds what is possible with the largest share of
    other pairs that would not show among so many that share no item (Clopper-Pearson).

    Raises:
        UsageError: There are no positive items, or no others.
    """
    values, labels = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    if labels.all() or not labels.any():
        raise UsageError(
            f"`positive` of auroc must hold both kinds of items; {int(labels.sum())} of {len(labels)} are positive."
        )
    at = np.random.default_rng(seed).integers(0, len(values), (DRAWS, len(values)))
    drawn = _areas(values[at], labels[at])
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    found = _areas(values[None], labels[None])[0]
    if low == high == found and np.nanmin(drawn) == np.nanmax(drawn):
        seen = 0.025 ** (1 / min(labels.sum(), (~labels).sum()))
        low, high = seen * found, seen * found + 1 - seen
    return Auroc(float(found), float(low), float(high), int(labels.sum()), len(labels))


def _areas(values: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Return the area of each row; NaN for a row without both kinds of items."""
    from scipy.stats import rankdata

    positives, others = labels.sum(axis=1), (~labels).sum(axis=1)
    above = (rankdata(values, axis=1) * labels).sum(axis=1) - positives * (positives + 1) / 2
    pairs = positives * others
    return np.where(pairs > 0, above / np.maximum(pairs, 1), np.nan)
