"""Intervals and paired tests for rates and means."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trimtab.errors import UsageError

CONFIDENCE = 0.95
DRAWS = 4000
"""Bootstrap samples: enough that the ends of a 95 % interval move by less than a tenth of its width."""


class Interval(NamedTuple):
    """An estimate with its 95 % interval."""

    value: float
    low: float
    high: float


class PairedDifference(NamedTuple):
    """How two conditions differ on the same items.

    Attributes:
        difference: Rate of the first minus rate of the second.
        low: Lower end of its 95 % interval over items.
        high: Upper end.
        p: Two-sided p of the exact McNemar test.
        n: Items.
        first_only: Items where only the first holds.
        second_only: Items where only the second holds.
    """

    difference: float
    low: float
    high: float
    p: float
    n: int
    first_only: int
    second_only: int

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


def bootstrap_mean(values: Sequence[float], seed: int = 0) -> Interval:
    """Return a mean with its percentile bootstrap interval.

    Raises:
        UsageError: There is no value.
    """
    if len(values) == 0:
        raise UsageError("`values` of bootstrap_mean must hold at least one number; got none.")
    sample = np.asarray(values, dtype=float)
    generator = np.random.default_rng(seed)
    means = sample[generator.integers(0, len(sample), (DRAWS, len(sample)))].mean(axis=1)
    return Interval(float(sample.mean()), *_percentiles(means))


def paired_difference(first: Sequence[bool], second: Sequence[bool], seed: int = 0) -> PairedDifference:
    """Compare two conditions that were tried on the same items.

    Args:
        first: Whether the first condition holds, item by item.
        second: The same for the second condition, in the same order.
        seed: Seed of the bootstrap.

    Returns:
        The difference of their rates with its interval, and the exact McNemar test, which asks whether the items
        where only one of them holds split evenly. The interval is a bootstrap over items; where all items agree, a
        resample cannot differ from the sample, and the exact bound on the share of other items takes its place.

    Raises:
        UsageError: The two do not cover the same number of items, or there is none.
    """
    from scipy.stats import binomtest

    n = len(first)
    if n == 0 or n != len(second):
        raise UsageError(
            "`first` and `second` of paired_difference must cover the same items, at least one; got "
            f"{n} and {len(second)}."
        )
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    # Resampling items is drawing how many of each kind there are: one multinomial draw a sample.
    shares = [only_a / n, only_b / n, (n - only_a - only_b) / n]
    drawn = np.random.default_rng(seed).multinomial(n, shares, size=DRAWS)
    low, high = _percentiles((drawn[:, 0] - drawn[:, 1]) / n)
    if max(shares) == 1:
        unseen = unseen_share(n)
        low, high = max(-1.0, (only_a - only_b) / n - unseen), min(1.0, (only_a - only_b) / n + unseen)
    p = float(binomtest(only_a, only_a + only_b, 0.5).pvalue) if only_a + only_b else 1.0
    return PairedDifference((only_a - only_b) / n, low, high, p, n, only_a, only_b)


def unseen_share(n: int) -> float:
    """Return the largest share, at 95 % confidence, of a kind of item that none of ``n`` items is (Clopper-Pearson)."""
    return 1 - ((1 - CONFIDENCE) / 2) ** (1 / n)


def fewest_flips(comparisons: int = 1) -> int:
    """Return how many items must flip, all the same way, before McNemar's exact test can decide.

    Args:
        comparisons: How many comparisons Holm's correction counts.
    """
    return math.ceil(math.log2(2 * max(comparisons, 1) / (1 - CONFIDENCE)))


def smallest_shown(n: int, comparisons: int = 1) -> float | None:
    """Return the smallest difference that a paired comparison on ``n`` items can show, as a share; None if none can.

    It is a floor: items that flip the other way raise it.
    """
    flips = fewest_flips(comparisons)
    return flips / n if flips <= n else None


def _percentiles(samples: np.ndarray) -> tuple[float, float]:
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(samples, [tail, 100 - tail])
    return float(low), float(high)
