"""What a row of the page is: a claim as data, and the cases that answer it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from benchmarks.evidence.sources import Evidence, Source
from benchmarks.evidence.verdicts import Number, Verdict, together


class Case(NamedTuple):
    """A claim put to one model under one condition.

    Attributes:
        source: Where it was measured.
        model: The model.
        condition: Of what; empty where the claim has one case for each model.
        verdict: What it says to the claim.
        number: The number; None where a sentence says it.
        said: The sentence.
        n: How many items it rests on.
        power: What could have been shown, where that is no number.
    """

    source: Source
    model: str
    condition: str
    verdict: Verdict
    number: Number | None = None
    said: str = ""
    n: int = 0
    power: str = ""


Cases = Callable[[Evidence], list[Case]]


@dataclass(frozen=True)
class Row:
    """A claim, an objection or a demand.

    Attributes:
        claim: What is claimed, as a sentence that a number can answer.
        origin: Who says so, and where.
        measured: What the number is.
        cases: Returns the cases of all sources; none where it was not measured.
        command: What to run where it was not measured.
        threshold: With what the number is compared, for the figure.
        unit: ``points`` for differences of shares, ``percent`` for shares; empty for all else.
    """

    claim: str
    origin: str
    measured: str
    cases: Cases
    command: str
    threshold: float = 0.0
    unit: str = "points"


class Answer(NamedTuple):
    """A row with its cases."""

    row: Row
    cases: list[Case]

    @property
    def verdict(self) -> str:
        """The verdict of all cases together."""
        return together([case.verdict for case in self.cases]) if self.cases else "not measured"


class Group(NamedTuple):
    """Rows of one origin.

    Attributes:
        name: What their links and figures are called, with a number.
        title: Their heading.
        about: What they are claims of.
        rows: The rows.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
