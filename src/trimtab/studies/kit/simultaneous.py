"""Means at many places of the same items, such as the layers of a curve: tests and bands that hold for all at once.

Whoever picks the strongest of twelve layers has looked at twelve. The p-values here are those of a sign-flip test on
the largest statistic over all places (single-step max-T: Westfall and Young 1993; for brain maps, Nichols and Holmes
2002), so that with no effect anywhere, one of them is below 0.05 in 5 % of all studies, however the places depend on
each other. The bands come from the same flips of what is left of the items without their mean, which is the wild
bootstrap with Rademacher's weights (Wu 1986; of a maximum, Chernozhukov, Chetverikov and Kato 2013).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimtab.errors import UsageError
from trimtab.studies.kit.statistics import CONFIDENCE, DRAWS, cluster_places, fewest_flips

EXACT = 13
"""Up to so many clusters all flips are tried: not more than a random draw of them would have."""


class Simultaneous(NamedTuple):
    """Means with tests and a 95 % band that hold at all places together.

    Attributes:
        mean: The mean at each place.
        low: Lower end of the band; NaN where there is none: too few clusters, or a place at which all are equal.
        high: Its upper end.
        p: Of each place, two-sided, corrected for all places.
        clusters: What was flipped: items, or clusters of them.
    """

    mean: Float[ndarray, " places"]
    low: Float[ndarray, " places"]
    high: Float[ndarray, " places"]
    p: Float[ndarray, " places"]
    clusters: int


def simultaneous(
    values: Float[ndarray, "rows places"], clusters: Sequence[Hashable] | None = None, seed: int = 0
) -> Simultaneous:
    """Test the mean at every place against 0, and give all means a band, corrected for the number of places.

    A flip turns the signs of all values of a cluster, so what places share stays as it is. The test is exact if the
    values are as likely to be ``-x`` as ``x`` where there is no effect. The band is an approximation, so it can leave
    out 0 where p is a little above 0.05, or the reverse.

    Args:
        values: A row for each case, a column for each place.
        clusters: What cluster each row belongs to, such as the item of a case; left out, each is its own.
        seed: Draws the flips, if there are too many to try all.

    Raises:
        UsageError: There is no value, or not one cluster for each row.
    """
    rows = np.asarray(values, dtype=float)
    if rows.ndim != 2 or rows.size == 0:
        raise UsageError(f"`values` of simultaneous must be a table of rows and places; got shape {rows.shape}.")
    of = cluster_places(clusters, len(rows), "simultaneous")
    count, mean = int(of.max()) + 1, rows.mean(axis=0)
    sums = np.zeros((count, rows.shape[1]))
    np.add.at(sums, of, rows)
    signs = _flips(count, seed)
    seen, chance = _statistic(np.ones((1, count)), sums)[0], _statistic(signs, sums).max(axis=1)
    # A flip that gives the same but for rounding counts as reaching it.
    reached = (chance[:, None] >= seen * (1 - 1e-9)).sum(axis=0)
    p = reached / len(signs) if count <= EXACT else (1 + reached) / (1 + len(signs))
    left = sums - np.bincount(of)[:, None] * mean
    left[:, np.ptp(sums / np.bincount(of)[:, None], axis=0) == 0] = 0.0  # equal but for the rounding of their mean
    low, high = _band(mean, left, signs, len(rows))
    return Simultaneous(mean, low, high, p, count)


def _flips(count: int, seed: int) -> Float[ndarray, "flips clusters"]:
    """Return all flips, of which a flip and its opposite are one; of many clusters, a draw of them."""
    if count <= EXACT:
        flips = np.arange(2 ** (count - 1))[:, None] >> np.arange(count) & 1
    else:
        flips = np.random.default_rng(seed).integers(0, 2, (DRAWS, count))
    return 1.0 - 2.0 * flips


def _statistic(
    signs: Float[ndarray, "flips clusters"], sums: Float[ndarray, "clusters places"]
) -> Float[ndarray, "flips places"]:
    """Return the size of each flipped sum over the root of the sum of squares, which no flip changes.

    Of as many clusters, it rises with Student's t, so the largest of one is that of the other; and it is defined where
    all values are equal, and t is not.
    """
    size = np.sqrt((sums**2).sum(axis=0))
    return np.abs(signs @ np.divide(sums, size, out=np.zeros_like(sums), where=size > 0))


def _band(
    mean: Float[ndarray, " places"],
    left: Float[ndarray, "clusters places"],
    signs: Float[ndarray, "flips clusters"],
    rows: int,
) -> tuple[Float[ndarray, " places"], Float[ndarray, " places"]]:
    """Return the ends of the band: as many standard errors to both sides as 95 % of the flips stay within."""
    count = len(left)
    spread = np.sqrt((left**2).sum(axis=0))
    half = np.full(len(mean), np.nan)
    if count >= fewest_flips():
        reach = np.quantile(_statistic(signs, left).max(axis=1), CONFIDENCE, method="higher")
        errors = spread * np.sqrt(count / (count - 1)) / rows
        with np.errstate(divide="ignore"):
            half[spread > 0] = reach * np.sqrt((count - 1) / max(count - reach**2, 0.0)) * errors[spread > 0]
        half[np.isinf(half)] = np.nan  # a reach that only flips without spread attain bounds nothing
    return mean - half, mean + half
