"""The steps of a circuits study: each is stored when done and never done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from trimtab.circuits import (
    EDGES,
    SCOPES,
    Cases,
    Condition,
    HeadScores,
    HeadSet,
    TaskConfig,
    build_cases,
    decompose,
    head_scores,
    knockout,
    lens,
    perplexity,
    read_out,
    try_conditions,
)
from trimtab.circuits.readouts import FOLLOWING, LABELS
from trimtab.engine import encode
from trimtab.errors import UsageError
from trimtab.items import Item, Items
from trimtab.items.prompts import prompt_for
from trimtab.modalities import PAIR
from trimtab.models import Model
from trimtab.progress import Advance, Progress, Within
from trimtab.studies.circuits.plan import SCORES, CircuitsPlan
from trimtab.studies.kit.admission import left_out, without
from trimtab.studies.kit.records import Record, records
from trimtab.studies.kit.run_folder import RunFolder, StepResult

if TYPE_CHECKING:
    from pandas import DataFrame

LEAST_SCORED = 2
"""Items to score heads on: with one, nothing says whether its scores are those of others."""


@dataclass(eq=False)
class CircuitSteps:
    """The computing of a circuits study.

    Attributes:
        plan: The study.
        folder: Where finished steps are kept.
        model: The model.
        items: Items of the ``score``, ``validation`` and ``test`` parts.
        valid: Valid answers of each task.
        progress: Told of what is being done.
    """

    plan: CircuitsPlan
    folder: RunFolder
    model: Model
    items: Mapping[str, Items]
    valid: Mapping[str, frozenset[str]]
    progress: Progress

    @cached_property
    def task(self) -> TaskConfig:
        """How items are asked."""
        return TaskConfig(answer_tokens=self.plan.answer_tokens)

    def admit(self) -> list[Record]:
        """Leave out the items that the model cannot take, and return a row for each, as ``left_out`` makes it.

        Raises:
            UsageError: Too few are left to begin with.
        """
        table = self._step(
            "admission", 1, lambda _advance: left_out(self.model, dict(self.items), ["open"], self.plan.longest_answer)
        )
        rows = records(table)
        self.items = {part: without(items, part, rows) for part, items in self.items.items()}
        usable = len(self.cases) // len(PAIR)
        if usable < LEAST_SCORED:
            raise UsageError(
                f"`items` of circuits must leave at least {LEAST_SCORED} that heads can be scored on; {usable} of the "
                f"{len(self.items['score']) + sum(row['split'] == 'score' for row in rows)} chosen for it can be used; "
                "give more items."
            )
        return rows

    @cached_property
    def cases(self) -> Cases:
        """The cases of the score items."""
        return build_cases(self.model, self.items["score"], self.task)

    @cached_property
    def successes(self) -> Cases:
        """The cases of items that follow under both instructions; there may be none."""
        followed = {(row["id"], row["target"]) for row in records(self.baseline()) if row["label"] == LABELS[FOLLOWING]}
        both = {item for item, _ in followed if {(item, "image"), (item, "text")} <= followed}
        return Cases([case for case in self.cases if case.item.id in both], self.cases.skipped)

    @property
    def scored(self) -> Cases:
        """The cases that heads are scored on."""
        enough = len({case.item.id for case in self.successes}) >= LEAST_SCORED
        return self.successes if enough else self.cases

    def baseline(self) -> DataFrame:
        """Read the intact model: with either instruction, and the margin it has without one."""

        def compute() -> StepResult:
            from pandas import DataFrame

            found = read_out(self.model, self.cases)
            bare = [replace(case, prompt=encode(self.model, prompt_for(case.item))) for case in self.cases]
            prior = read_out(self.model, bare)
            return StepResult(
                DataFrame(
                    {
                        "id": [case.item.id for case in self.cases],
                        "task": [case.item.task for case in self.cases],
                        "target": [case.target for case in self.cases],
                        "margin": found.margins[:, 0].tolist(),
                        "label": [LABELS[number] for number in found.labels[:, 0].tolist()],
                        "prior": prior.margins[:, 0].tolist(),
                    }
                ),
                {"skipped": len(self.cases.skipped)},
            )

        return self._step("baseline", 2 * len(self.items["score"]), lambda _advance: compute())

    def flow(self) -> DataFrame:
        """Cut every edge in every window, on cases that follow; an empty table if there are none."""
        # In the order of the items, which alternates between tasks; an order of names would be one of tasks.
        wanted = set(list(dict.fromkeys(case.item.id for case in self.successes))[: self.plan.flow_items])
        cases = [case for case in self.successes if case.item.id in wanted]
        tables = []
        for edge in EDGES:
            if not any(edge.ends(case, self.plan.seed) for case in cases):
                continue  # a template may end at once, or be too short for a control

            def compute(advance: Advance, edge: Any = edge) -> StepResult:
                found = knockout(
                    self.model, cases, [edge], size=self.plan.window, seed=self.plan.seed, progress=Within(advance)
                )
                return StepResult(found, {"cases": len(cases)})

            rows = len(cases) * (self.model.n_layers + 1)
            tables.append(self._step(f"flow-{edge.name.replace(' ', '-')}", rows, compute))
        return _joined(tables)

    def lens(self) -> DataFrame:
        """Read both answers off every layer, with and without the final norm."""

        def compute(advance: Advance) -> StepResult:
            tables = [
                lens(self.model, self.cases, norm, Within(advance)).assign(norm=norm) for norm in ("final", "none")
            ]
            return StepResult(_joined(tables), {})

        return self._step("lens", 2 * len(self.cases), compute)

    def layers(self) -> DataFrame:
        """Split the margin into what each layer's attention and MLP add."""

        def compute(advance: Advance) -> StepResult:
            from pandas import DataFrame

            parts = decompose(self.model, self.cases, progress=Within(advance))
            table = [
                {
                    "id": case.item.id,
                    "target": case.target,
                    "layer": layer,
                    "attention": float(parts.attention[number, layer]),
                    "mlp": float(parts.mlp[number, layer]),
                }
                for number, case in enumerate(self.cases)
                for layer in range(self.model.n_layers)
            ]
            return StepResult(DataFrame(table), {})

        return self._step("layers", len(self.cases), compute)

    def scores(self) -> dict[str, HeadScores]:
        """Score all heads in every way, on cases that follow under both instructions.

        Where fewer than two items do, on all cases, without patching: it says how far a margin is moved from one answer
        to the other, and where the model does not follow there is no such way to go.
        """
        at = tuple(place for place in SCOPES[self.plan.scope] if place != "generated")
        ways = SCORES if self.scored is self.successes else [score for score in SCORES if score != "patching"]
        cases = self.scored
        return {score: self._scores(score, cases, at) for score in ways}

    def _scores(self, score: Any, cases: Sequence[Any], at: Any) -> HeadScores:
        heads = self.model.n_layers * self.model.n_heads

        def compute(advance: Advance) -> StepResult:
            from pandas import DataFrame

            found = head_scores(self.model, cases, score, at=at, progress=Within(advance))
            columns = {f"head-{place}": found.values.flatten(1)[:, place].tolist() for place in range(heads)}
            return StepResult(DataFrame({"id": list(found.ids), "target": list(found.targets), **columns}), {})

        rows = len(cases) * (heads + 1 if score in ("causal", "patching") else 1)
        table = self._step(f"scores-{score}", rows, compute)
        values = torch.tensor(table[[f"head-{place}" for place in range(heads)]].to_numpy(), dtype=torch.float64)
        shape = (self.model.n_layers, self.model.n_heads)
        return HeadScores(score, values.unflatten(1, shape), tuple(table["target"]), tuple(table["id"]))

    def tried(self, name: str, part: str, conditions: Sequence[Condition], measures: Sequence[str]) -> DataFrame:
        """Try conditions on a part's items, a resumable step for each chunk of items."""
        items, tables = self.items[part], []
        for number, start in enumerate(range(0, len(items), self.plan.chunk)):
            chunk = items[start : start + self.plan.chunk]

            def compute(advance: Advance, chunk: Sequence[Item] = chunk) -> StepResult:
                found = try_conditions(
                    self.model,
                    chunk,
                    conditions,
                    self.task,
                    valid=self.valid,
                    measures=measures,
                    max_new_tokens=self.plan.longest_answer,
                    progress=Within(advance),
                )
                return StepResult(found, {})

            rows = len(chunk) * len(conditions) * len(measures)
            tables.append(self._step(f"{name}-{number:03d}", rows, compute))
        return _joined(tables)

    def language(self, conditions: Sequence[Condition]) -> DataFrame:
        """Measure the perplexity of the test contexts."""

        def compute(advance: Advance) -> StepResult:
            return StepResult(perplexity(self.model, self.items["test"], conditions, Within(advance)), {})

        return self._step("perplexity", len(self.items["test"]) * len(conditions), compute)

    def head_set(self, heads: Sequence[tuple[int, int]], strength: float, **options: Any) -> HeadSet:
        """Make a head set of the study's scope; its instruction is given by the prompts themselves."""
        options.setdefault("instruction", None)
        return HeadSet.of(self.model, "image", heads, strength=strength, scope=self.plan.scope, **options)

    def _step(self, name: str, total: int, compute: Callable[[Advance], StepResult]) -> DataFrame:
        def from_fresh() -> StepResult:
            # What earlier steps left in memory must not show in the last bit of a later one.
            self.model.forget_media()
            with self.progress.task(f"{self.model.name}: {name}", total) as advance:
                return compute(advance)

        return self.folder.step(name, from_fresh).table


def _joined(tables: Sequence[DataFrame]) -> DataFrame:
    from pandas import DataFrame, concat

    for table in tables:
        table.attrs = {}
    return concat(list(tables), ignore_index=True) if tables else DataFrame()
