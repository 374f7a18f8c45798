"""The ablation of hardening: every variant, several seeds, seen and unseen perturbations, preference and cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from trimtab.engine import Capability, ModelOrEngine
from trimtab.engine.local.whitebox import opened
from trimtab.file_names import file_name
from trimtab.interference import CLEAN, DiagnosisConfig, Donors, HardenConfig, diagnose, harden
from trimtab.interference.hardening import StepCost
from trimtab.items import Item, Items, items_fingerprint
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Advance, Within
from trimtab.steering import Instruction, MeanDifference, NoSteering
from trimtab.steering.states import in_conflict
from trimtab.studies.interference.counted import diagnosed, preferred
from trimtab.studies.interference.effect_tables import of_their_own
from trimtab.studies.interference.plans import AblationPlan
from trimtab.studies.interference.variants import VANILLA, accuracy_table
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.evaluation import evaluate
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import StepResult
from trimtab.studies.kit.study import KINDS, Outcome, Results, Step

if TYPE_CHECKING:
    from pandas import DataFrame

PREFERENCES = (NoSteering, Instruction, MeanDifference)
"""How conflict items are answered: plainly, told, and steered."""
_LOSS_UNKNOWN = dict.fromkeys(("loss", "loss_low", "loss_high", "chance"))


@dataclass(eq=False)
class TestBench:
    """What every model of an ablation is trained and tested on."""

    plan: AblationPlan
    bench: Bench

    @cached_property
    def train(self) -> list[Item]:
        """Items to harden on."""
        return list(self.bench.items(f"{self.plan.data}:train"))

    @cached_property
    def pool(self) -> list[Item]:
        """Items that test items and donors come from."""
        return list(self.bench.items(f"{self.plan.data}:test"))

    @cached_property
    def donors(self) -> Donors:
        """Where perturbations take pictures and texts from."""
        return Donors(self.pool, self.plan.seeds[0])

    @cached_property
    def items(self) -> Items:
        """Items to test on."""
        return choose_items(self.pool, min(self.plan.test_items, len(self.pool)), self.plan.seeds[0])

    def conflicts(self, split: str) -> Sequence[Item]:
        """Return conflict items; none, where the plan leaves them out."""
        if self.plan.conflicts is None:
            return []
        items = self.bench.items(f"{self.plan.conflicts}:{split}")
        return choose_items(items, self.plan.conflict_items, self.plan.seeds[0])


@KINDS.register
@dataclass(eq=False)
class HardeningStudy:
    """Harden a model in every variant and test each, beside the model as it is."""

    kind: ClassVar[str] = "hardening"
    schema_version: ClassVar[int] = 5
    sections: ClassVar[tuple[str, ...]] = ("ablation",)
    plan_type: ClassVar[type] = AblationPlan

    plan: AblationPlan
    _found: TestBench | None = field(default=None, init=False)
    _hardened: tuple[str, Model] | None = field(default=None, init=False)

    def models(self) -> tuple[str, ...]:
        """Return the plan's one model."""
        return (self.plan.model,)

    def check(self, model: ModelOrEngine) -> None:
        """Refuse an engine without the model at hand."""
        opened(model, Capability.GRADIENTS, Capability.WEIGHTS, owner="a hardening study")

    def data(self, bench: Bench) -> dict[str, Any]:
        """Return sizes and fingerprints of all items."""
        own = self._bench(bench)
        used = {
            "train": own.train,
            "test": own.items,
            "donors": own.pool,
            "conflicts": own.conflicts("test"),
            "fitting": own.conflicts("train"),
        }
        return {name: {"items": len(items), "fingerprint": items_fingerprint(items)} for name, items in used.items()}

    def steps(self, bench: Bench) -> list[Step]:
        """List the tests of the model as it is, then hardening and tests of each variant and seed."""
        steps = list(self._tests(bench, VANILLA, self.plan.ways, ()))
        for name, seed, config in self.plan.runs():
            label = f"{name}-{seed}"
            run = partial(self._harden, bench, label, config)
            steps.append(Step(f"{label}/cost", run, (), self.plan.model, f"{label}: harden", config.steps))
            steps += self._tests(bench, label, ("plain",), (f"{label}/cost",))
        return steps

    def summarise(self, bench: Bench, done: Results) -> Outcome:
        """Average accuracies over seeds, and lay costs and preferences beside them."""
        labels: dict[str, list[str]] = {}
        for name, seed, _ in self.plan.runs():
            labels.setdefault(name, []).append(f"{name}-{seed}")
        seen = {CLEAN, *self.plan.base.perturbations}
        tables = self._answers(done, labels)
        summary = {
            "model": {"name": bench.model(self.plan.model).name, **bench.description(self.plan.model)},
            "plan": self.plan.resolved(),
            "seen": [c for c in self.plan.conditions if c in seen],
            "unseen": [c for c in self.plan.conditions if c not in seen],
            "accuracy": [row for name, runs in tables.items() for row in accuracy_table(name, runs, seen)],
            "cost": [
                {"variant": name, **done[f"{label}/cost"].own_notes, "label": label}
                for name, found in labels.items()
                for label in found
            ],
            "preference": [
                {"variant": name, "label": label, **row}
                for name, found in {VANILLA: [VANILLA], **labels}.items()
                for label in found
                for row in records(done.get(f"{label}/preference", StepResult.nothing()).table)
            ],
        }
        return Outcome(summary, {})

    @classmethod
    def upgraded(cls, summary: dict[str, Any]) -> dict[str, Any] | None:
        """Return a summary of schema version 2 to 4 in today's form; before 5, losses had no intervals."""
        version = summary.get("schema_version")
        if not (version == 2 and summary.get("study") == "interference ablation") and not (
            version in (3, 4) and summary.get("kind") == cls.kind
        ):
            return None
        rows = summary.get("accuracy", [])
        rows = rows if version == 4 else of_their_own(rows)
        tables = {"accuracy": [{**row, **_LOSS_UNKNOWN} for row in rows]} if rows else {}
        return {**summary, "schema_version": cls.schema_version, "kind": cls.kind, **tables}

    def _answers(self, done: Results, labels: dict[str, list[str]]) -> dict[str, list[list[dict[str, Any]]]]:
        """Return the diagnosed answers of each variant, by seed; those of the plain model by way."""
        vanilla = records(done[f"{VANILLA}/diagnosis"].table)
        tables = {VANILLA: [[r for r in vanilla if r["way"] == "plain"]]}
        ways = [way for way in self.plan.ways if way != "plain"]
        tables |= {f"{VANILLA}, {way}": [[r for r in vanilla if r["way"] == way]] for way in ways}
        return tables | {
            name: [records(done[f"{label}/diagnosis"].table) for label in found] for name, found in labels.items()
        }

    def _bench(self, bench: Bench) -> TestBench:
        if self._found is None or self._found.bench is not bench:
            self._found = TestBench(self.plan, bench)
        return self._found

    def _tests(self, bench: Bench, label: str, ways: tuple[str, ...], inputs: tuple[str, ...]) -> Iterator[Step]:
        task, model, own = f"{label}: test", self.plan.model, self._bench(bench)
        run, rows = partial(self._diagnose, bench, label, ways), diagnosed(self._tested(ways), own.items)
        yield Step(f"{label}/diagnosis", run, inputs, model, task, len(own.items), rows)
        if self.plan.conflicts is not None:
            fitting, tested = own.conflicts("train"), len(own.conflicts("test"))
            run = partial(self._preference, bench, label)
            rows = preferred(len(_targets(fitting)), len(PREFERENCES), len(fitting), tested)
            yield Step(f"{label}/preference", run, inputs, model, task, tested, rows)

    def _model(self, bench: Bench, label: str) -> Model:
        """Return the model as it is, or as a variant hardened it; of the hardened ones one is kept at a time."""
        if label == VANILLA:
            return bench.model(self.plan.model)
        if self._hardened is None or self._hardened[0] != label:
            self._hardened = None  # its memory is needed for the next
            self._hardened = label, bench.load_folder(self._home(bench, label))
        return self._hardened[1]

    def _home(self, bench: Bench, label: str) -> Path:
        return bench.path / "models" / file_name(label)

    def _harden(self, bench: Bench, label: str, config: HardenConfig, _done: Results, advance: Advance) -> StepResult:
        own, home = self._bench(bench), self._home(bench, label)
        found = harden(bench.model(self.plan.model), own.train, home, config, progress=Within(advance))
        return _cost(config, found.record)

    def _diagnose(
        self, bench: Bench, label: str, ways: tuple[str, ...], _done: Results, advance: Advance
    ) -> StepResult:
        own, model = self._bench(bench), self._model(bench, label)
        found = diagnose(model, own.items, self._tested(ways), donors=own.donors, progress=Within(advance))
        return StepResult(found.answers, {})

    def _tested(self, ways: tuple[str, ...]) -> DiagnosisConfig:
        return DiagnosisConfig(self.plan.conditions, ways=ways, seed=self.plan.seeds[0])

    def _preference(self, bench: Bench, label: str, _done: Results, _advance: Advance) -> StepResult:
        """Measure what the model follows by itself, when told, and when steered by a vector fitted on it anew."""
        own, model = self._bench(bench), self._model(bench, label)
        fitting = own.conflicts("train")
        artifacts = [kind(target=target).fit(model, fitting) for target in _targets(fitting) for kind in PREFERENCES]
        rates: DataFrame = evaluate(model, own.conflicts("test"), artifacts).rates
        return StepResult(rates.loc[rates.task == "all", :], {})


def _targets(fitting: Sequence[Item]) -> tuple[Modality, ...]:
    """Return the modalities that conflict items set against each other."""
    return in_conflict(name for item in fitting for name in item.modalities)


def _cost(config: HardenConfig, record: dict[str, Any]) -> StepResult:
    steps, each = record["steps"], record["per_step"]
    work = StepCost(round(steps * each["seen"]), round(steps * each["attacked"]), config.method)
    return StepResult(
        StepResult.nothing().table,
        {
            "steps": steps,
            "seconds_of_training": steps * each["seconds"],
            "tokens": work.tokens,
            "attacked": work.attacked,
            "forward_equivalents": work.forward_equivalents(config.attack),
        },
    )
