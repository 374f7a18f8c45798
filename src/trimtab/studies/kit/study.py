"""What a study is: steps that another process can run one by one, and a summary of what they found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, Self

from trimtab.engine import ModelOrEngine
from trimtab.errors import UsageError
from trimtab.fields import Dataclass
from trimtab.registry import Registry, import_inside
from trimtab.studies.kit.run_folder import StepResult

if TYPE_CHECKING:
    from pandas import DataFrame

    from trimtab.progress import Advance
    from trimtab.studies.kit.bench import Bench, Read

Results = Mapping[str, StepResult]
"""Finished steps by name."""

Work = Callable[[Results, "Advance"], StepResult]
"""What a step does, given the finished steps that it needs and what to call as units of work are done."""


class Rows(NamedTuple):
    """Work for a model, counted before it is done.

    Attributes:
        prompts: Prompts put through it once.
        answers: Prompts that it answers word by word.
        shared: How many of both begin as another does that is computed with them: only their ends are.
    """

    prompts: int = 0
    answers: int = 0
    shared: int = 0

    @property
    def beginnings(self) -> int:
        """How many beginnings are computed."""
        return self.prompts + self.answers - self.shared

    @classmethod
    def total(cls, parts: Sequence[Rows | None]) -> Rows | None:
        """Return the sum; None if one of them is not known."""
        known = [part for part in parts if part is not None]
        if len(known) < len(parts):
            return None
        return cls(*(sum(numbers) for numbers in zip(*known, strict=True))) if known else cls()


@dataclass(frozen=True, eq=False)
class Step:
    """A part of a study that is stored when done and never done again.

    Attributes:
        name: Its name in the run folder, ``/`` between parts.
        run: Does the work, given the finished steps that ``inputs`` names and what to call as units of work are done.
            It depends on these and on the plan alone, so that any process can run it.
        inputs: Names of the steps whose results it needs.
        model: The plan's name of the model that it runs; None if it runs none.
        task: What a progress bar calls the work that it is a part of.
        units: How many units of that work it is.
        rows: How much it asks of the model; None where that depends on what is found.
    """

    name: str
    run: Work
    inputs: tuple[str, ...] = ()
    model: str | None = None
    task: str = ""
    units: int = 1
    rows: Rows | None = None


class Outcome(NamedTuple):
    """What a finished study writes.

    Attributes:
        summary: Results in a fixed schema, without times; ``schema_version`` and ``kind`` are put before them.
        tables: Rows by the name of their file.
    """

    summary: dict[str, Any]
    tables: dict[str, DataFrame]


class StudyPlan(Dataclass, Protocol):
    """A study as data; a frozen dataclass."""

    @property
    def data(self) -> str:
        """Where its items are."""
        ...

    @property
    def load(self) -> dict[str, Any]:
        """How models are loaded: arguments of ``trimtab.load``."""
        ...

    def reader(self) -> Read:
        """Return what reads the plan's items, given their source."""
        ...

    def fast(self) -> Self:
        """Return the same study on few items: wide intervals, every part."""
        ...

    def resolved(self) -> dict[str, Any]:
        """Return the plan as plain data, without what changes no result."""
        ...


class Study(Protocol):
    """A kind of study, made of a plan.

    Attributes:
        kind: Its name in configurations and summaries.
        schema_version: Version of its summary.
        sections: Names of the report's sections, in their order.
        plan_type: The class of its plans.
    """

    kind: ClassVar[str]
    schema_version: ClassVar[int]
    sections: ClassVar[tuple[str, ...]]
    plan_type: ClassVar[type[StudyPlan]]

    @property
    def plan(self) -> StudyPlan:
        """What to do."""
        ...

    def models(self) -> Sequence[str]:
        """Return the names of the models that it runs."""
        ...

    def check(self, model: ModelOrEngine) -> None:
        """Refuse a model that the plan does not fit, before any work."""
        ...

    def data(self, bench: Bench) -> dict[str, Any]:
        """Return what identifies the items, as plain data."""
        ...

    def steps(self, bench: Bench) -> list[Step]:
        """List all steps, each after its inputs; no model is loaded for it."""
        ...

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Say what the finished steps found."""
        ...

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return an earlier version's summary in today's form; None if it is of another kind or of no known version."""
        ...


KINDS: Registry[type[Study]] = Registry("`kind`", key="kind")
"""The kinds of study by name: plans, configurations and summaries of what is registered here are known."""


def kinds() -> Registry[type[Study]]:
    """Return ``KINDS`` with whatever the packages beside this one register."""
    import_inside("trimtab.studies", [str(Path(__file__).parents[1])], packages=True)
    return KINDS


def study_of(plan: Study | StudyPlan) -> Study:
    """Return the study of a plan; a study is itself.

    Raises:
        UsageError: It is neither.
    """
    for kind in kinds().values():
        if isinstance(plan, kind):
            return plan
        if isinstance(plan, kind.plan_type):
            return kind(plan)  # pyright: ignore[reportCallIssue]
    known = ", ".join(kind.plan_type.__name__ for kind in kinds().values())
    raise UsageError(f"`study` of run_study must be a plan ({known}) or a study; got {type(plan).__name__}.")
