"""What a claim is, and what the rules of all claims share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from trimtab.modalities import Modality
from trimtab.studies.circuits.summary import together
from trimtab.studies.kit.records import Record

Verdict = Literal["yes", "no", "unclear"]


class Claim(NamedTuple):
    """A claim of Instruction Anchor (arXiv 2602.03677) and what this model says to it.

    Attributes:
        claim: What is claimed.
        verdict: ``yes``, ``no`` or ``unclear``.
        evidence: The numbers it rests on.
        rule: When it is yes and when no; all else is unclear.
        cases: How many cases it rests on.
    """

    claim: str
    verdict: Verdict
    evidence: str
    rule: str
    cases: int


def each_of(modalities: Sequence[Modality]) -> str:
    """Return what any one of some modalities is called: ``either`` of two, else ``each``."""
    return "either" if len(modalities) == 2 else "each"


def none_followed(modalities: Sequence[Modality]) -> str:
    """Say that no item follows the instructions for all of some modalities."""
    return f"no item follows {together(modalities)} instructions"


def shared_verdict(verdicts: Sequence[str]) -> Verdict:
    """Return the verdict that all instructions share."""
    return "yes" if set(verdicts) == {"yes"} else "no" if set(verdicts) == {"no"} else "unclear"


def interval(row: Record, name: str) -> str:
    """Write a mean of a row with its interval."""
    mean, low, high = (nats(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{mean} ({low} to {high})"


def nats(value: float) -> str:
    """Write a number of nats; what rounds to nothing has no sign."""
    text = f"{value:.3f}"
    return "0.000" if text == "-0.000" else text.replace("-", "−")
