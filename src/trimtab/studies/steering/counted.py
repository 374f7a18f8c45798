"""How much the steps of a steering study ask of a model, counted from the plan alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trimtab.engine import Capability
from trimtab.modalities import Modality
from trimtab.steering import METHODS, Method
from trimtab.studies.kit.study import Rows
from trimtab.studies.steering.fitting import candidates
from trimtab.studies.steering.plan import Plan

STATES = 2
"""Prompts that a training item takes for its hidden states: one for each side of the contrast."""


@dataclass(frozen=True)
class CountedWork:
    """Rows of each sort of step; an upper bound where a model turns out to take fewer items.

    Attributes:
        plan: The study.
        sizes: Items of each split.
    """

    plan: Plan
    sizes: Mapping[str, int]

    def measured(self, items: int) -> Rows:
        """Return rows of a chunk of contributions: every set of the targets' modalities, and an answer."""
        return Rows(items * 2 ** len(self.plan.targets), items)

    def fitted(self, method: str, target: Modality) -> Rows:
        """Return rows of a fit: hidden states for the first method that needs them, and the candidates' answers."""
        needs = [name for name, _ in self.plan.wanted() if Capability.HIDDEN in self._kind(name).needs]
        first = bool(needs) and (method, target) == (needs[0], self.plan.targets[0])
        tried, asked = candidates(self.plan, method, target), self.sizes["validation"]
        return Rows(
            STATES * self.sizes["train"] if first else 0,
            tried * asked,
            shared=asked * (tried - 1) if tried and self._kind(method).adds_vector else 0,
        )

    def evaluated(self, items: int, protocol: str, place: int, swept: bool) -> Rows:
        """Return rows of a chunk of test items under every method and, swept, every strength."""
        orders = len(self.plan.targets) if protocol == "paired" else 1
        swept = swept and not place
        ways = [(name, self._strengths(name) if swept else 1) for name, _ in self._wanted(place)]
        return Rows(0, items * orders * sum(n for _, n in ways), shared=items * orders * self._sharing(ways))

    def controlled(self, controls: int, place: int) -> Rows:
        """Return rows of a chunk of controls: an answer under every method, and one without."""
        ways = [(name, 1) for name, _ in self._wanted(place)]
        rows = controls * (len(ways) + 1)
        return Rows(0, rows, shared=controls * self._sharing(ways))

    def _sharing(self, ways: Sequence[tuple[str, int]]) -> int:
        """Return how many of the ways to ask a prompt begin as another does: those that add a vector, but the first."""
        return max(0, sum(n for name, n in ways if self._kind(name).adds_vector) - 1)

    def _strengths(self, name: str) -> int:
        """Return at how many strengths a method is swept; the chosen one is among them."""
        return len(self.plan.strengths_of(name)) if self._kind(name).has_strength else 1

    def _wanted(self, place: int) -> list[tuple[str, Modality]]:
        return [(name, target) for name, target in self.plan.wanted() if place < len(self.plan.seeds_of(name))]

    def _kind(self, name: str) -> type[Method]:
        return METHODS[self.plan.spec(name).method]
