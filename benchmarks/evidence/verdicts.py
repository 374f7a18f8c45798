"""The one rule of the page: what a number with its interval says to a claim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from trimtab.studies.kit.statistics import CONFIDENCE

Verdict = Literal["holds", "does not hold", "not shown"]


class Number(NamedTuple):
    """A measured number.

    Attributes:
        value: The estimate.
        low: Lower end of its 95 % interval; None where there is no interval.
        high: Upper end.
        n: How many items it rests on.
        least: The smallest difference that so many items would have shown with a probability of 80 %; None if none.
        p: Its p against 0, corrected for all that was compared with it; None where the interval alone decides.
    """

    value: float
    low: float | None
    high: float | None
    n: int
    least: float | None = None
    p: float | None = None


def verdict(number: Number, threshold: float = 0.0, *, more: bool = True) -> Verdict:
    """Say whether a number is shown to lie beyond a threshold.

    Args:
        number: The number.
        threshold: What is claimed to be exceeded; with a ``p``, which tests against 0, it must be 0.
        more: Whether the claim is that the number is larger; else, that it is smaller.

    Returns:
        ``holds`` where the whole interval lies beyond the threshold in the claimed direction, ``does not hold`` where
        it lies beyond it in the other, each only if the corrected p agrees, where there is one; else ``not shown``.
    """
    if number.low is None or number.high is None or (number.p is not None and number.p >= 1 - CONFIDENCE):
        return "not shown"
    above, below = number.low > threshold, number.high < threshold
    claimed, contrary = (above, below) if more else (below, above)
    return "holds" if claimed else "does not hold" if contrary else "not shown"


def within(number: Number, margin: float) -> Verdict:
    """Say whether a number is shown to be nearer to 0 than a margin; the contrary is that it is beyond."""
    plain = number._replace(p=None)
    return together([verdict(plain, -margin), verdict(plain, margin, more=False)])


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """Say what several cases say to a claim that is made of all of them: one contrary is enough to refute it."""
    if "does not hold" in verdicts:
        return "does not hold"
    return "holds" if verdicts and set(verdicts) == {"holds"} else "not shown"
