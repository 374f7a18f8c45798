"""What a diagnosis tries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from trimtab.fields import Count, OneOf, Some, check_fields
from trimtab.interference.diagnosis.ways import WAYS
from trimtab.interference.perturbations import PERTURBATIONS
from trimtab.modalities import MODALITIES

Scoring = Literal["logits", "generation"]
SCORINGS: tuple[Scoring, ...] = ("logits", "generation")

IRRELEVANT = tuple(
    name
    for modality in MODALITIES
    for name, known in PERTURBATIONS.items()
    if known.kind == "irrelevant" and known.modality == modality
)
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
    scoring: Annotated[tuple[Scoring, ...], Some(each_once=True)] = ("logits",)
    ways: Annotated[tuple[Annotated[str, OneOf(WAYS)], ...], Some(each_once=True)] = ("plain",)
    max_new_tokens: Count = 16
    seed: int = 0

    def __post_init__(self) -> None:
        check_fields(self)
        for condition in self.conditions:
            for name in condition.split("+"):
                PERTURBATIONS.named(name)
