"""The interference study: does the modality that does not matter change a model's answers?"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar

from trimtab.errors import UsageError
from trimtab.interference import diagnose, spectrum, with_relevant
from trimtab.interference.diagnosis import SPECTRUM, Diagnosis
from trimtab.items import Items
from trimtab.progress import Advance, Within
from trimtab.studies.interference.counted import diagnosed
from trimtab.studies.interference.effect_tables import effects, of_their_own, worst_cases
from trimtab.studies.interference.plans import InterferencePlan
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.one_model import OneModelStudy
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import ITEMS, StepResult
from trimtab.studies.kit.study import KINDS, Outcome, Results, Step


@KINDS.register
@dataclass(eq=False)
class InterferenceStudy(OneModelStudy[InterferencePlan]):
    """Diagnose a model: perturb what does not matter, item by item, and see how answers change."""

    kind: ClassVar[str] = "interference"
    schema_version: ClassVar[int] = 4
    sections: ClassVar[tuple[str, ...]] = ("head", "accuracy", "worst", "tests", "spectrum", "slices", "skipped")
    plan_type: ClassVar[type] = InterferencePlan

    @property
    def seed(self) -> int:
        """The plan's."""
        return self.plan.diagnosis.seed

    def steps(self, bench: Bench) -> list[Step]:
        """List the diagnosis and, if it is wanted, the data spectrum."""
        model, items = self.plan.model, self.items(bench)

        def diagnosis(_done: Results, advance: Advance) -> StepResult:
            return _result(diagnose(bench.model(model), items, self.plan.diagnosis, progress=Within(advance)))

        rows = diagnosed(self.plan.diagnosis, items)
        steps = [Step("diagnosis", diagnosis, (), model, f"{model}: diagnosis", len(items), rows)]
        if self.plan.spectrum:
            seen = [item for item in items if "image" in (item.relevant or ())]

            def spectrum(_done: Results, advance: Advance) -> StepResult:
                return self._spectrum(bench, Items(seen), advance)

            rows = diagnosed(replace(self.plan.diagnosis, conditions=SPECTRUM), seen)
            steps.append(Step("spectrum", spectrum, (), model, f"{model}: spectrum", len(seen), rows))
        return steps

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Count effects and worst cases."""
        asked, shuffled = done["diagnosis"], done.get("spectrum")
        answers, seed = records(asked.table), self.plan.diagnosis.seed
        summary = {
            "model": {"name": bench.model(self.plan.model).name, **bench.description(self.plan.model)},
            "plan": self.plan.resolved(),
            "items": {"asked": len({r["id"] for r in answers}), "skipped": asked.notes["skipped"]},
            "effects": effects(answers, seed),
            "worst": worst_cases(answers),
            "spectrum": effects(records(shuffled.table), seed) if shuffled is not None and len(shuffled.table) else [],
            "spectrum_note": shuffled.notes.get("note") if shuffled is not None else None,
        }
        return Outcome(summary, {ITEMS: asked.table})

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return a summary of schema version 2 or 3 in today's form."""
        version = summary.get("schema_version")
        kind = summary.get("study") if version == 2 else summary.get("kind") if version == 3 else None
        if kind != cls.kind or "paired" in summary:
            return None
        tables = {key: of_their_own(summary[key]) for key in ("effects", "worst", "spectrum") if key in summary}
        return {**summary, "schema_version": cls.schema_version, "kind": cls.kind, **tables}

    def items(self, bench: Bench) -> Items:
        """Return the items that are asked: where the plan says what is relevant, those alone."""
        items, relevant = super().items(bench), self.plan.relevant
        return items if relevant is None else with_relevant(items, relevant)

    def _spectrum(self, bench: Bench, items: Items, advance: Advance) -> StepResult:
        """Run the spectrum test; data that cannot be shuffled is a finding, not a failure."""
        try:
            found = spectrum(bench.model(self.plan.model), items, self.plan.diagnosis, progress=Within(advance))
        except UsageError as error:
            return StepResult(StepResult.nothing().table, {"skipped": [], "note": str(error)})
        if not found.skipped:
            return _result(found)
        reason = found.skipped[0].reason
        return _result(found, note=f"for {len(found.skipped)} of {len(items)} items; the first: {reason}")


def _result(found: Diagnosis, **notes: str) -> StepResult:
    skipped = [{"row": s.row, "reason": s.reason} for s in found.skipped]
    return StepResult(found.answers, {"skipped": skipped, "cost": asdict(found.cost), **notes})
