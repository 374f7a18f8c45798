"""Intervals and paired tests for rates and means.

Where several items are about the same thing (see ``trimtab.items.cluster_of``), they are no independent evidence: what
is resampled, flipped and counted is then the cluster. Where each item is its own cluster, nothing changes.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy import ndarray

from trimtab.errors import UsageError

CONFIDENCE = 0.95
DRAWS = 4000
"""Bootstrap samples: enough that the ends of a 95 % interval move by less than a tenth of its width."""


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class MeanInterval(NamedTuple):
    """A mean with its 95 % interval; None where the values allow none."""

    value: float
    low: float | None
    high: float | None


class PairedDifference(NamedTuple):
    """How two conditions differ on the same items.

    Attributes:
        difference: Rate of the first minus rate of the second.
        low: Lower end of its 95 % interval over items.
        high: Upper end.
        p: Two-sided p of the exact McNemar test, or of its form for clusters.
        n: Items.
        first_only: Items where only the first holds.
        second_only: Items where only the second holds.
        clusters: How many clusters the items are of; ``n`` where each is its own.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    first_only: int
    second_only: int
    clusters: int

    @property
    def effect(self) -> float:
        """Cohen's g, the effect size of McNemar's test: how far the split of the flips is from even, -0.5 to 0.5.

        0.05 is called small, 0.15 medium, 0.25 large.
        """
        flips = self.first_only + self.second_only
        return self.first_only / flips - 0.5 if flips else 0.0


def holm(ps: Sequence[float]) -> list[float]:
    """Correct p-values for their number, by Holm's step-down rule, which holds under any dependence.

    Args:
        ps: The p-values of one family of comparisons.

    Returns:
        The corrected p-values, in the same order; at most 1.
    """
    corrected, largest = [0.0] * len(ps), 0.0
    for place, k in enumerate(sorted(range(len(ps)), key=lambda k: ps[k])):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[k]))
        corrected[k] = largest
    return corrected


def wilson(successes: int, n: int) -> Interval:
    """Return a rate with its Wilson interval.

    Raises:
        UsageError: There is no item.
    """
    from scipy.stats import binomtest

    if n < 1:
        raise UsageError(f"`n` of wilson must be at least 1; got {n}; give items to count.")
    interval = binomtest(successes, n).proportion_ci(CONFIDENCE, method="wilson")
    # The closed form leaves a rounding error of 1e-17 at 0 and at 1.
    low, high = (0.0 if successes == 0 else interval.low), (1.0 if successes == n else interval.high)
    return Interval(successes / n, float(low), float(high))


def clustered_rate(hits: Sequence[bool], clusters: Sequence[Hashable] | None = None) -> Interval:
    """Return a rate with its Wilson interval, at the effective number of items where some are of one cluster.

    The effective number is ``n`` divided by the design effect, the variance of the rate over clusters divided by that
    over as many independent items; this is how surveys do it (Korn and Graubard 1998; Dean and Pagano 2015). It is kept
    between what items of a cluster give that say nothing of each other, and what those give that always agree. The
    latter is taken where all hits are equal, for then nothing tells.

    Args:
        hits: Whether each item is one that counts.
        clusters: What cluster each item is of; left out, each is its own.

    Raises:
        UsageError: There is no item, or not one cluster for each.
    """
    of, n, successes = cluster_places(clusters, len(hits), "clustered_rate"), len(hits), int(sum(hits))
    sizes = np.bincount(of)
    if len(sizes) == n:
        return wilson(successes, n)
    rate, count = successes / n, len(sizes)
    least, effect = float((sizes**2).sum()) / n, math.inf
    if 0 < rate < 1 and count > 1:
        left = np.bincount(of, np.asarray(hits, dtype=float)) - sizes * rate
        effect = count / (count - 1) * float((left**2).sum()) / (n * rate * (1 - rate))
    return _wilson_of(rate, n / min(max(1.0, effect), least))


def _wilson_of(rate: float, n: float) -> Interval:
    """Return Wilson's interval of a rate among a number of items that need not be whole."""
    from scipy.stats import norm

    z = float(norm.isf((1 - CONFIDENCE) / 2)) ** 2 / n
    middle, half = (rate + z / 2) / (1 + z), math.sqrt(z * rate * (1 - rate) + z * z / 4) / (1 + z)
    return Interval(rate, 0.0 if rate == 0 else middle - half, 1.0 if rate == 1 else middle + half)


def bootstrap_mean(
    values: Sequence[float],
    seed: int = 0,
    *,
    clusters: Sequence[Hashable] | None = None,
    bounds: tuple[float, float] | None = None,
) -> MeanInterval:
    """Return a mean with its percentile bootstrap interval, over items or clusters of them.

    Where all values are equal, every resample is the sample, which does not mean that the mean is known. If the values
    have bounds, the interval then holds the means that are possible with the largest share of other items that would
    not show in so many (``unseen_share``). If they have none, there is no interval.

    Args:
        values: The values, item by item.
        seed: Seed of the bootstrap.
        clusters: What cluster each item is of; left out, each is its own.
        bounds: The least and the largest value that an item can have.

    Raises:
        UsageError: There is no value, or not one cluster for each.
    """
    sample = np.asarray(values, dtype=float)
    of = cluster_places(clusters, len(sample), "bootstrap_mean")
    sizes, sums, mean = np.bincount(of), np.bincount(of, sample), float(sample.mean())
    if np.ptp(sums / sizes) == 0:
        unseen = unseen_share(len(sizes))
        ends = (None, None) if bounds is None else (mean + unseen * (end - mean) for end in bounds)
        return MeanInterval(mean, *ends)
    if len(sizes) == len(sample):
        generator = np.random.default_rng(seed)
        means = sample[generator.integers(0, len(sample), (DRAWS, len(sample)))].mean(axis=1)
    else:
        means = _resampled(sums, sizes, seed)
    return MeanInterval(mean, *_percentiles(means))


def paired_difference(
    first: Sequence[bool],
    second: Sequence[bool],
    seed: int = 0,
    *,
    clusters: Sequence[Hashable] | None = None,
    comparisons: int = 1,
) -> PairedDifference:
    """Compare two conditions that were tried on the same items.

    Args:
        first: Whether the first condition holds, item by item.
        second: The same for the second condition, in the same order.
        seed: Seed of the bootstrap.
        clusters: What cluster each item is of; left out, each is its own.
        comparisons: How many intervals are to hold together (Bonferroni's correction of each); p is not corrected.

    Returns:
        The difference of their rates with its interval, and the exact McNemar test, which asks whether the items
        where only one of them holds split evenly. Of clusters, it is the exact sign-flip test: the two conditions are
        exchanged in whole clusters, in all possible ways. The interval is a bootstrap over items or clusters; where
        all of them agree, a resample cannot differ from the sample, and the exact bound on the share of others takes
        its place.

    Raises:
        UsageError: The two do not cover the same number of items, there is none, or not one cluster for each.
    """
    n = len(first)
    if n == 0 or n != len(second):
        raise UsageError(
            "`first` and `second` of paired_difference must cover the same items, at least one; got "
            f"{n} and {len(second)}."
        )
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    difference, of = (only_a - only_b) / n, cluster_places(clusters, n, "paired_difference")
    sizes = np.bincount(of)
    sums = np.bincount(of, a.astype(float) - b)
    if np.ptp(sums / sizes) == 0:
        unseen = unseen_share(len(sizes), comparisons)
        low, high = max(-1.0, difference - unseen), min(1.0, difference + unseen)
    elif len(sizes) == n:
        # Resampling items is drawing how many of each kind there are: one multinomial draw a sample.
        shares = [only_a / n, only_b / n, (n - only_a - only_b) / n]
        drawn = np.random.default_rng(seed).multinomial(n, shares, size=DRAWS)
        low, high = _percentiles((drawn[:, 0] - drawn[:, 1]) / n, comparisons)
    else:
        low, high = _percentiles(_resampled(sums, sizes, seed), comparisons)
    return PairedDifference(difference, low, high, _flip_test(sums.astype(int)), n, only_a, only_b, len(sizes))


def _flip_test(sums: Int[ndarray, " clusters"]) -> float:
    """Return how often the sum is as far from 0 as it is when each cluster's sign is thrown anew, exactly."""
    from scipy.stats import binomtest

    flips = np.abs(sums[sums != 0])
    if not len(flips):
        return 1.0
    if flips.max() == 1:
        return float(binomtest(int((sums > 0).sum()), len(flips), 0.5).pvalue)
    chances = np.ones(1)
    for size in flips:
        # Of sums -total, -total + 2 and so on, each cluster keeps half where they are and moves half up.
        chances = np.convolve(chances, [0.5, *[0.0] * (size - 1), 0.5])
    reached = np.abs(2 * np.arange(len(chances)) - flips.sum()) >= abs(sums.sum())
    return min(1.0, float(chances[reached].sum()))


def cluster_places(clusters: Sequence[Hashable] | None, n: int, owner: str) -> Int[ndarray, " items"]:
    """Number the clusters of items in the order in which they come.

    Args:
        clusters: What cluster each item is of; None: each is its own.
        n: How many items there are.
        owner: The function that was given them.

    Raises:
        UsageError: There is no item, or not one cluster for each.
    """
    if n == 0:
        raise UsageError(f"`values` of {owner} must hold at least one number; got none.")
    if clusters is None:
        return np.arange(n)
    if len(clusters) != n:
        raise UsageError(f"`clusters` of {owner} must hold one for each of the {n} items; got {len(clusters)}.")
    known: dict[Hashable, int] = {}
    return np.array([known.setdefault(one, len(known)) for one in clusters])


def _resampled(
    sums: Float[ndarray, " clusters"], sizes: Int[ndarray, " clusters"], seed: int
) -> Float[ndarray, " draws"]:
    """Return the means of resamples of whole clusters."""
    drawn = np.random.default_rng(seed).integers(0, len(sums), (DRAWS, len(sums)))
    return sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1)


def unseen_share(n: int, comparisons: int = 1) -> float:
    """Return the largest share, at 95 % confidence, of a kind of item that none of ``n`` items is (Clopper-Pearson).

    Args:
        n: How many items there are.
        comparisons: How many such bounds are to hold together.
    """
    return 1 - ((1 - CONFIDENCE) / 2 / comparisons) ** (1 / n)


def fewest_flips(comparisons: int = 1) -> int:
    """Return how many items must flip, all the same way, before McNemar's exact test can decide.

    Args:
        comparisons: How many comparisons Holm's correction counts.
    """
    return math.ceil(math.log2(2 * max(comparisons, 1) / (1 - CONFIDENCE)))


def smallest_shown(n: int, comparisons: int = 1, clusters: int | None = None) -> float | None:
    """Return the smallest difference that a paired comparison on ``n`` items can show, as a share; None if none can.

    It is a floor: items that flip the other way raise it, and so do clusters of which more than one item flips.

    Args:
        n: Items.
        comparisons: How many comparisons Holm's correction counts.
        clusters: How many clusters the items are of; left out, each is its own.
    """
    flips = fewest_flips(comparisons)
    return flips / n if flips <= (n if clusters is None else clusters) else None


def likely_shown(n: int, discordant: float, comparisons: int = 1, power: float = 0.8) -> float | None:
    """Return the smallest difference that a paired comparison shows with some power, as a share; None if it has none.

    The power of McNemar's exact test, summed over how many of the items flip and how many of these each way. Where more
    must flip than ``discordant``, all that flip do so in one way.

    Args:
        n: Items.
        discordant: Share of the items in which the two conditions differ, as observed.
        comparisons: How many comparisons Holm's correction counts; the first of them must pass ``1 / comparisons``.
        power: The probability of showing it.
    """
    low, high = 0.0, 1.0
    if _power(n, 1.0, 1.0, comparisons) < power:
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        flips = max(discordant, middle)
        low, high = (low, middle) if _power(n, flips, middle, comparisons) >= power else (middle, high)
    return high


def _power(n: int, flips: float, difference: float, comparisons: int) -> float:
    """Return the probability that the exact test decides, whichever way, if a share of the items flips."""
    from scipy.stats import binom

    counts = np.arange(n + 1)
    # The most of a count's flips that may go the rarer way: two-sided p, so half the level.
    level = (1 - CONFIDENCE) / max(comparisons, 1) / 2
    rare = binom.ppf(level, counts, 0.5)
    rare = np.where(binom.cdf(rare, counts, 0.5) < level, rare, rare - 1)
    way = (1 + difference / flips) / 2 if flips else 0.5
    decides = binom.cdf(rare, counts, 1 - way) + binom.cdf(rare, counts, way)
    return float((binom.pmf(counts, n, flips) * decides).sum())


def _percentiles(samples: np.ndarray, comparisons: int = 1) -> tuple[float, float]:
    tail = 100 * (1 - CONFIDENCE) / 2 / comparisons
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
