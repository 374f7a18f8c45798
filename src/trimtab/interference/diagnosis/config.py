"""What a diagnosis tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from trimtab.errors import UsageError
from trimtab.fields import check_fields
from trimtab.interference.diagnosis.ways import WAYS
from trimtab.interference.perturbations import PERTURBATIONS

Scoring = Literal["logits", "generation"]
SCORINGS: tuple[Scoring, ...] = ("logits", "generation")

IRRELEVANT = tuple(name for name, kind in PERTURBATIONS.items() if kind.kind == "irrelevant")
"""Perturbations of what does not matter that come with trimtab."""


@dataclass(frozen=True)
class DiagnosisConfig:
    """What a diagnosis tries.

    Attributes:
        conditions: Perturbations, or several joined by ``+``; the clean condition is always tried.
        scoring: ``logits``: the option letter of the highest next-token probability; ``generation``: the option that
            a greedy reply picks.
        ways: How each view is asked: ``plain``, or a baseline of ``WAYS``.
        max_new_tokens: Longest reply in tokens.
        seed: Seed of the perturbations.
    """

    conditions: tuple[str, ...] = IRRELEVANT
    scoring: tuple[Scoring, ...] = ("logits",)
    ways: tuple[str, ...] = ("plain",)
    max_new_tokens: int = 16
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for condition in self.conditions:
            for name in condition.split("+"):
                PERTURBATIONS.named(name)
        _check("scoring", self.scoring, SCORINGS)
        _check("ways", self.ways, tuple(WAYS))
        if self.max_new_tokens < 1:
            raise UsageError(f"`max_new_tokens` of DiagnosisConfig must be at least 1; got {self.max_new_tokens}.")


def _check(name: str, values: tuple[str, ...], known: tuple[str, ...]) -> None:
    if not values or not set(values) <= set(known) or len(set(values)) != len(values):
        raise UsageError(
            f"`{name}` of DiagnosisConfig must name at least one of {', '.join(known)}, none twice; got {list(values)}."
        )
