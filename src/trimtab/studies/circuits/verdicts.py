"""What a claim is, and what the rules of all claims share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from trimtab.modalities import Modality
from trimtab.studies.circuits.summary import together
from trimtab.studies.kit.records import Record
from trimtab.studies.kit.statistics import CONFIDENCE, fewest_flips

Verdict = Literal["yes", "no", "unclear", "too few items"]

FEWEST = fewest_flips()
"""With fewer items no test can reach p < 0.05: of five, one in sixteen flips gives as much as all the same way."""

ALPHA = 1 - CONFIDENCE


class Claim(NamedTuple):
    """A claim of Instruction Anchor (arXiv 2602.03677) and what this model says to it.

    Attributes:
        claim: What is claimed.
        verdict: ``yes`` or ``no`` where it is shown; ``unclear`` where neither is; ``too few items`` where so few could
            not have shown it.
        evidence: The numbers it rests on.
        rule: When it is yes and when no; all else is unclear.
        items: How many items it rests on.
        needed: How many it needs at least, before its rule can decide.
    """

    claim: str
    verdict: Verdict
    evidence: str
    rule: str
    items: int
    needed: int = FEWEST


def decided(*, yes: bool, no: bool, items: int, needed: int = FEWEST) -> Verdict:
    """Return the verdict of a rule.

    Args:
        yes: Whether the claim is shown.
        no: Whether its contrary is shown.
        items: How many items it rests on.
        needed: With how many at least it could be shown.
    """
    if items < FEWEST:
        return "too few items"
    return "yes" if yes else "no" if no else "too few items" if items < needed else "unclear"


def each_of(modalities: Sequence[Modality]) -> str:
    """Return what any one of some modalities is called: ``either`` of two, else ``each``."""
    return "either" if len(modalities) == 2 else "each"


def none_followed(modalities: Sequence[Modality]) -> str:
    """Say that no item follows the instructions for all of some modalities."""
    return f"no item follows {together(modalities)} instructions"


def shown(row: Record, name: str) -> bool:
    """Whether a mean differs from 0, corrected for all that it was chosen from."""
    return row[f"{name}_p"] < ALPHA


def least(row: Record, name: str) -> float:
    """Return how far from 0 a mean is at least, by its band; 0 where the band holds 0 or there is none."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return 0.0 if low is None or low <= 0 <= high else min(abs(low), abs(high))


def most(row: Record, name: str) -> float:
    """Return how far from 0 a mean is at most, by its band; without one, infinitely, unless every value is exactly 0.

    Values that are exactly 0 are no sample of small ones: what was cut is not read at all.
    """
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None:
        return 0.0 if row[name] == 0 else float("inf")
    return max(abs(low), abs(high))


def interval(row: Record, name: str) -> str:
    """Write a mean of a row with its interval, if it has one."""
    mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return nats(mean) if low is None else f"{nats(mean)} ({nats(low)} to {nats(high)})"


def tested(row: Record, name: str) -> str:
    """Write a mean of a row with its interval and its corrected p."""
    p = row[f"{name}_p"]
    return f"{interval(row, name)}, p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"


def nats(value: float) -> str:
    """Write a number of nats; what rounds to nothing has no sign."""
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")
