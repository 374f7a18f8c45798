"""The steering study: measure, fit every method for every target, choose layer and strength, evaluate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.contribution import MCS
from trimtab.engine import Capability, ModelOrEngine, require
from trimtab.engine.local.whitebox import opened
from trimtab.errors import UsageError
from trimtab.modalities import MODALITIES, PAIR
from trimtab.steering import METHODS, Instruction
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import CONTROLS, ITEMS, StepResult, joined
from trimtab.studies.kit.study import KINDS, Outcome, Results, Step
from trimtab.studies.steering.items import StudyItems
from trimtab.studies.steering.plan import SWEPT, Plan
from trimtab.studies.steering.steps import NEUTRAL, REFUSED, ModelSteps
from trimtab.studies.steering.summary import SCHEMA_VERSION, summarise

if TYPE_CHECKING:
    from pandas import DataFrame

INSIDE = frozenset({Capability.CACHE, Capability.GRADIENTS, Capability.WEIGHTS})
"""What takes the model itself, in this process."""


@KINDS.register
@dataclass(eq=False)
class SteeringStudy:
    """For each model: measure contributions, fit every method for every target, evaluate on test items and controls.

    Examples:
        ```python
        run_study(read_plan("recipes/steering.yaml"), "runs/steering")  # the kind is the recipe's, or steering
        ```
    """

    kind: ClassVar[str] = "steering"
    schema_version: ClassVar[int] = SCHEMA_VERSION
    sections: ClassVar[tuple[str, ...]] = (
        "head",
        "following",
        "paired",
        "equal_strength",
        "strengths",
        "pareto",
        "preference",
        "oracle",
        "controls",
        "attributes",
        "costs",
        "paper",
        "contribution",
        "cautions",
        "receipts",
    )
    plan_type: ClassVar[type] = Plan

    plan: Plan
    _items: StudyItems | None = field(default=None, init=False)

    def models(self) -> tuple[str, ...]:
        """Return the models of the plan."""
        return self.plan.models

    def check(self, model: ModelOrEngine) -> None:
        """Refuse an engine that lacks what the plan needs; a method that a model cannot take is left out."""
        needed = self._needed()
        (opened if needed & INSIDE else require)(model, *needed, owner="a steering study")

    def data(self, bench: Bench) -> dict[str, Any]:
        """Return sizes and fingerprints of the items by split."""
        return self._read(bench).describe()

    def steps(self, bench: Bench) -> list[Step]:
        """List the steps, model by model.

        Raises:
            UsageError: The items have no evidence of a target.
        """
        known = self._read(bench).modalities
        if missing := [target for target in self.plan.targets if target not in known]:
            raise UsageError(
                f"`targets` of Plan must be among the modalities of its items, {', '.join(known)}; got "
                f"{', '.join(missing)}."
            )
        return [step for model in self._by_model(bench) for step in model.steps()]

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Join what the steps found, and count."""
        models = list(self._by_model(bench))
        for model in models:
            for place in range(model.seeds):
                for method, target, name in model.fits(place):
                    notes = done[model.path(name)].notes
                    if REFUSED not in notes:
                        model.check_artifact(method, target, notes, place)
        fitted = [done[model.path(name)] for model in models for _, _, name in model.fits()]
        answers, contributions = _of_seeds(joined(_of(done, "evaluate"))), joined(_of(done, "contribution"))
        controls, costs = (joined(steps) if (steps := _of(done, part)) else None for part in ("control", "cost"))
        controls = None if controls is None else _of_seeds(controls)
        tables = {ITEMS: _with_scores(self.plan, answers, contributions)}
        if controls is not None:
            tables[CONTROLS] = controls
        identities = {bench.model(name).name: bench.description(name) for name in self.plan.models}
        summary = summarise(
            self.plan,
            identities,
            answers,
            contributions,
            joined(step for step in fitted if REFUSED not in step.notes),
            [step.notes[REFUSED] for step in fitted if REFUSED in step.notes],
            controls,
            costs,
            [row for step in _of(done, "admission") for row in records(step.table)],
            self._read(bench).modalities,
            self._read(bench).controls(self._read(bench).chosen),
        )
        return Outcome(summary, tables)

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return a summary of schema version 3 to 5 in today's form, if it has no controls, which had other columns."""
        if "paired" not in summary or summary.get("schema_version") not in (3, 4, 5) or summary.get("controls"):
            return None
        rows: dict[str, Any] = {}
        if summary["schema_version"] == 3:
            rows = {key: [_with_others(row) for row in summary[key]] for key in ("rows", "sweep") if key in summary}
            rows["modalities"] = list(PAIR)
        new = {"schema_version": SCHEMA_VERSION, "kind": cls.kind, "seeds": [], "control_items": []}
        return {"contribution_method": MCS.name, **summary, **new, **rows}

    def _needed(self) -> frozenset[Capability]:
        """What an engine must be able to do for the plan's methods and for what is measured beside them."""
        plan = self.plan
        measured = [
            *([Capability.LOGITS] if plan.contribution_items or plan.control_items else []),
            *([Capability.WEIGHTS] if plan.cost_items else []),
        ]
        return plan.needs.union(measured)

    def _read(self, bench: Bench) -> StudyItems:
        if self._items is None or self._items.bench is not bench:
            self._items = StudyItems(self.plan, bench)
        return self._items

    def _by_model(self, bench: Bench) -> Iterator[ModelSteps]:
        return (ModelSteps(self.plan, bench, name, self._read(bench)) for name in self.plan.models)


def _with_others(row: dict[str, Any]) -> dict[str, Any]:
    return {("others" if key == "opposite" else key): value for key, value in row.items()}


def _of(done: Results, part: str) -> list[StepResult]:
    """Return the finished steps of one sort, in the order of the list."""
    return [step for name, step in done.items() if name.partition("/")[2].startswith(part)]


def _of_seeds(rows: DataFrame) -> DataFrame:
    """Return rows with the place of their seed, if there are several: 0 for the first."""
    return rows.assign(seed=rows["seed"].fillna(0).astype(int)) if "seed" in rows else rows


def _with_scores(plan: Plan, answers: DataFrame, contributions: DataFrame) -> DataFrame:
    """Put beside each answer the contributions of the very prompt it answers, where they were measured.

    They were measured on the open question, plain and with each instruction before it.
    """
    same_prompt = answers["method"].isin([name for name in plan.methods if _keeps_prompt(plan, name)])
    instructed = answers["method"] == Instruction.name
    asked_as = answers["target"].where(instructed, NEUTRAL)
    asked = answers.assign(instruction=asked_as.where((same_prompt | instructed) & (answers["protocol"] == SWEPT)))
    if contributions.empty:
        return asked
    named = {modality: f"contribution_{modality}" for modality in MODALITIES if modality in contributions}
    scores = contributions.rename(columns={"item_id": "id", **named})
    return asked.merge(scores.drop(columns="task"), how="left", on=["model", "instruction", "id"])


def _keeps_prompt(plan: Plan, name: str) -> bool:
    """Whether a method of the plan edits the model and leaves the prompt as it is."""
    return not METHODS[plan.spec(name).method].changes_prompt
