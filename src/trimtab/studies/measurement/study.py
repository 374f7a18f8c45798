"""The measurement study: how much each modality contributes to a model's answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from trimtab.contribution import Shapley, measure
from trimtab.errors import UsageError
from trimtab.items import Item, valid_answers
from trimtab.progress import Advance, Within
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.chunks import chunks_of
from trimtab.studies.kit.metrics import contribution_rates
from trimtab.studies.kit.one_model import OneModelStudy
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import ITEMS, StepResult, joined
from trimtab.studies.kit.study import KINDS, Outcome, Results, Rows, Step
from trimtab.studies.measurement.answers import answer_counts, with_answers
from trimtab.studies.measurement.plan import MeasurementPlan


@KINDS.register
@dataclass(eq=False)
class MeasurementStudy(OneModelStudy[MeasurementPlan]):
    """Measure the contributions of every item, chunk by chunk."""

    kind: ClassVar[str] = "measurement"
    schema_version: ClassVar[int] = 1
    sections: ClassVar[tuple[str, ...]] = ("ratios",)
    plan_type: ClassVar[type] = MeasurementPlan

    @property
    def seed(self) -> int:
        """The plan's."""
        return self.plan.seed

    def steps(self, bench: Bench) -> list[Step]:
        """List a step for each chunk of items."""
        model = self.plan.model
        return [
            Step(
                f"contribution-{number:04d}",
                partial(self._measure, bench, chunk),
                (),
                model,
                f"{model}: contribution",
                chunk.stop - chunk.start,
                self._rows(self.items(bench)[chunk]),
            )
            for number, chunk in enumerate(chunks_of(len(self.items(bench)), self.plan.chunk))
        ]

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Average ratios by task.

        Raises:
            UsageError: No item could be measured.
        """
        plan, rows = self.plan.resolved(), joined(done.values())
        skipped = [row for step in done.values() for row in step.notes["skipped"]]
        if rows.empty:
            raise UsageError(f"`data` of {self.kind} must hold an item that can be measured; {skipped[0][1]}")
        summary = {
            "model": bench.model(self.plan.model).name,
            **{name: plan[name] for name in ("data", "method", "options", "instruction", "seed")},
            "items": len(self.items(bench)),
            "skipped": len(skipped),
            "skipped_items": skipped,
            "ratios": contribution_rates(records(rows), self.plan.seed),
            "answers": answer_counts(records(rows)),
        }
        return Outcome(summary, {ITEMS: rows})

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return the summary of a measurement from before summaries had a kind in today's form."""
        if "ratios" in summary and "schema_version" not in summary:
            return {"schema_version": cls.schema_version, "kind": cls.kind, "seed": 0, **summary}
        return None

    def _rows(self, items: Sequence[Item]) -> Rows | None:
        """Return the work of some items: for exact Shapley values every set of modalities, and an answer."""
        if self.plan.method != Shapley.name:
            return None
        return Rows(sum(2 ** len(item.modalities) for item in items), len(items))

    def _measure(self, bench: Bench, chunk: slice, _done: Results, advance: Advance) -> StepResult:
        items = self.items(bench)[chunk]
        model = bench.model(self.plan.model)
        found = measure(
            model,
            items,
            instruction=self.plan.instruction,
            method=self.plan.how,
            progress=Within(advance),
        )
        valid = valid_answers(self.items(bench))
        table = with_answers(found.table(), model, items, self.plan.instruction, valid)
        return StepResult(table, {"skipped": [[chunk.start + s.row, s.reason] for s in found.skipped]})
