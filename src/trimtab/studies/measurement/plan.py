"""A measurement as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from trimtab.contribution import METHODS, Method
from trimtab.errors import UsageError
from trimtab.fields import Count, check_fields
from trimtab.studies.kit.loading import check_loading, loading_identity
from trimtab.studies.kit.source import FromFile

FEW_ITEMS = 12
"""The most items of a fast study."""


@dataclass(frozen=True)
class MeasurementPlan(FromFile):
    """What is measured, and how; ``FromFile`` has the fields that say where items come from.

    Attributes:
        model: Bundled name, folder or Hub id.
        data: The data set.
        method: A key of ``trimtab.contribution.METHODS``.
        options: Options of the method.
        instruction: The sentence before each question; None for none.
        seed: Seed of the choice of items and of the intervals.
        limit: How many items, balanced over tasks; None for all.
        chunk: Items of a resumable step.
        load: How the model is loaded: arguments of ``trimtab.load``.
    """

    model: str
    data: str
    method: str = "shapley"
    options: dict[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    seed: int = 0
    limit: Count | None = None
    chunk: Count = 64
    load: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_loading("MeasurementPlan", self.load)
        _ = self.how

    @property
    def how(self) -> Method:
        """The method, made with its options."""
        return made_method(self.method, self.options, "MeasurementPlan")

    def fast(self) -> Self:
        """Return the same study on few items: wide intervals."""
        return replace(self, limit=min(self.limit or FEW_ITEMS, FEW_ITEMS))

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data; the method's options are all of them."""
        options = asdict(self.how)
        return asdict(self) | {"options": options, "load": loading_identity(self.load)}


def made_method(name: str, options: Mapping[str, Any], owner: str) -> Method:
    """Make a method of measuring; lists among its options stand for tuples.

    Raises:
        UsageError: There is no such method, or it has no such option.
    """
    make = METHODS.named(name, f"`method` of {owner}")
    known = [option.name for option in fields(make)]
    for option in options:
        if option not in known:
            raise UsageError(f"`options` of {owner} must be options of {name}, {', '.join(known)}; got {option!r}.")
    return make(**{key: tuple(value) if isinstance(value, list) else value for key, value in options.items()})
