"""What studies have in common that ask one model about one set of items."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from trimtab.engine import ModelOrEngine
from trimtab.items import Items, items_fingerprint
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.choosing import choose_items


class OneModelPlan(Protocol):
    """The plan of such a study."""

    @property
    def model(self) -> str:
        """Name of the model."""
        ...

    @property
    def data(self) -> str:
        """Where the items are."""
        ...

    @property
    def limit(self) -> int | None:
        """Use at most so many items; None for all."""
        ...


Plan = TypeVar("Plan", bound=OneModelPlan)


@dataclass(eq=False)
class OneModelStudy(ABC, Generic[Plan]):
    """A study of one model and one set of items.

    Attributes:
        plan: What to do.
    """

    plan: Plan

    @property
    @abstractmethod
    def seed(self) -> int:
        """What items are chosen by, where the plan has a limit."""

    def models(self) -> tuple[str, ...]:
        """Return the plan's one model."""
        return (self.plan.model,)

    def check(self, model: ModelOrEngine) -> None:
        """Take any model."""

    def data(self, bench: Bench) -> dict[str, Any]:
        """Return size and fingerprint of the items, and how many rows were skipped when they were read."""
        items = self.items(bench)
        rows = getattr(items, "skipped", ())
        skipped = {"skipped": len(rows)} if rows else {}
        return {"items": {"items": len(items), **skipped, "fingerprint": items_fingerprint(items)}}

    def items(self, bench: Bench) -> Items:
        """Return the items that are asked."""
        items = bench.items(self.plan.data)
        return items if self.plan.limit is None else choose_items(items, self.plan.limit, self.seed)
