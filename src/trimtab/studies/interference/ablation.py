"""The ablation of hardening: every variant, several seeds, seen and unseen perturbations, preference and cost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from trimtab.errors import UsageError
from trimtab.fields import Count, CountFrom0, OneOf, Positive, Some, check_fields
from trimtab.interference import CLEAN, DiagnosisConfig, Donors, HardenConfig, diagnose, harden, variant
from trimtab.interference.diagnosis import IRRELEVANT
from trimtab.interference.hardening import VARIANTS, StepCost
from trimtab.items import Item, items_fingerprint
from trimtab.models import Model
from trimtab.progress import SILENT, Progress, Within
from trimtab.studies.interference.run import SCHEMA_VERSION
from trimtab.studies.interference.variants import VANILLA, accuracy_table
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.provenance import computed_in, describe, git_commit, hardware, versions
from trimtab.studies.kit.reading import read_summary
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import PROVENANCE, SUMMARY, RunFolder, StepResult
from trimtab.studies.steering.evaluation import evaluate

if TYPE_CHECKING:
    from pandas import DataFrame

STUDY = "interference ablation"


@dataclass(frozen=True)
class AblationPlan:
    """An ablation as data.

    Attributes:
        model: The model's name.
        data: Source of the items; its splits ``train`` and ``test`` are used. Runs get no validation items, so
            each ends with its last step.
        conflicts: Source of conflict items, on whose ``train`` and ``test`` splits preference and steering are
            measured; None leaves that out.
        variants: Keys of ``VARIANTS``.
        seeds: Seeds of each variant.
        base: What all variants share.
        conditions: Perturbations to test; those that the base does not train on are unseen.
        ways: Prompt and decoding baselines, tried on the model before it is hardened.
        attack_sizes: Sizes of the attack to try with the variant ``all``, first seed only.
        attack_steps: Steps of the attack to try likewise.
        test_items: Test items, balanced over tasks.
        conflict_items: Conflict items, balanced over tasks.
    """

    model: str
    data: str = "pocket-interference"
    conflicts: str | None = "pocket-mc2"
    variants: tuple[Annotated[str, OneOf(VARIANTS)], ...] = tuple(VARIANTS)
    seeds: Annotated[tuple[int, ...], Some()] = (0, 1, 2)
    base: HardenConfig = field(default_factory=HardenConfig)
    conditions: tuple[str, ...] = IRRELEVANT
    ways: tuple[str, ...] = ("plain", "ignore", "step_by_step", "contrast")
    attack_sizes: tuple[Positive, ...] = ()
    attack_steps: tuple[CountFrom0, ...] = ()
    test_items: Count = 300
    conflict_items: Count = 160

    def __post_init__(self) -> None:
        check_fields(self)

    def runs(self) -> Iterator[tuple[str, int, HardenConfig]]:
        """Name every hardening run."""
        for seed in self.seeds:
            for name in self.variants:
                yield name, seed, replace(variant(self.base, name), seed=seed)
        whole = replace(variant(self.base, "all"), seed=self.seeds[0])
        assert whole.attack is not None
        for size in self.attack_sizes:
            yield f"all, size {size:g}", self.seeds[0], replace(whole, attack=replace(whole.attack, size=size))
        for steps in self.attack_steps:
            yield f"all, {steps} steps", self.seeds[0], replace(whole, attack=replace(whole.attack, steps=steps))


def run_ablation(
    plan: AblationPlan,
    out: str | Path,
    *,
    load: Callable[[str | Path], Model] | None = None,
    read: Callable[[str], Sequence[Item]] | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Harden and test every variant; a finished run is not repeated and a killed one goes on.

    Args:
        plan: What to try.
        out: Run folder; the hardened models are kept in ``models/``.
        load: Loads a model; left out, ``trimtab.load``.
        read: Reads items; left out, ``trimtab.read_items``.
        progress: Told of what is being done.

    Returns:
        The folder, with ``summary.json`` and ``provenance.json``.

    Raises:
        UsageError: A source lacks a split.
        RunFolderError: The folder belongs to another configuration, or cannot be written to.
    """
    from trimtab.items import read_items
    from trimtab.models import load as load_model

    load, read = load or load_model, read or read_items
    model = load(plan.model)
    bench = _Bench(plan, out, model, read)
    with bench.folder as folder:
        bench.test(VANILLA, model, plan.ways)
        for name, seed, config in plan.runs():
            label = f"{name}-{seed}"
            with progress.task(label, config.steps) as advance:
                done = harden(model, bench.train, folder.path / "models" / label, config, progress=Within(advance))
                folder.step(f"{label}/cost", lambda c=config, d=done: _cost(c, d.record))
                hardened = load(done.folder) if not bench.tested(label) else model
                bench.test(label, hardened, ("plain",))
        provenance = {"versions": versions(), "commit": git_commit(), "hardware": hardware([model])}
        folder.write(PROVENANCE, json.dumps({**provenance, "steps": folder.steps()}, indent=1))
        folder.write(SUMMARY, json.dumps(_summary(plan, model, bench), indent=1))
    return folder.path


class _Bench:
    """What every model of an ablation is tested on."""

    def __init__(
        self, plan: AblationPlan, out: str | Path, model: Model, read: Callable[[str], Sequence[Item]]
    ) -> None:
        self.plan, seed = plan, plan.seeds[0]
        self.train = list(read(f"{plan.data}:train"))
        pool = list(read(f"{plan.data}:test"))
        self.donors = Donors(pool, seed)
        self.items = choose_items(pool, min(plan.test_items, len(pool)), seed)
        self.conflicts: list[Item] = []
        self.fitting: list[Item] = []
        if plan.conflicts is not None:
            self.conflicts = choose_items(read(f"{plan.conflicts}:test"), plan.conflict_items, seed)
            self.fitting = choose_items(read(f"{plan.conflicts}:train"), plan.conflict_items, seed)
        self.folder = RunFolder(out, {"study": STUDY, **asdict(plan), **self._identity(model, pool)})

    def _identity(self, model: Model, pool: Sequence[Item]) -> dict[str, Any]:
        """Say what the steps were computed with: a name may come to mean another model or other items."""
        used = {
            "train": self.train,
            "test": self.items,
            "donors": pool,
            "conflicts": self.conflicts,
            "fitting": self.fitting,
        }
        fingerprints = {name: items_fingerprint(items) for name, items in used.items()}
        return {
            "schema_version": SCHEMA_VERSION,
            "fingerprint": model.fingerprint,
            "computed_in": computed_in([model]),
            "items": fingerprints,
        }

    def tested(self, label: str) -> bool:
        """Whether all tests of a model are done."""
        kinds = ("diagnosis", "preference") if self.conflicts else ("diagnosis",)
        return all((self.folder.path / "steps" / label / f"{kind}.parquet").is_file() for kind in kinds)

    def test(self, label: str, model: Model, ways: tuple[str, ...]) -> None:
        """Diagnose a model and measure its preference, unless that is done."""
        config = DiagnosisConfig(self.plan.conditions, ways=ways, seed=self.plan.seeds[0])
        self.folder.step(
            f"{label}/diagnosis",
            lambda: StepResult(diagnose(model, self.items, config, donors=self.donors).answers, {}),
        )
        if self.conflicts:
            self.folder.step(f"{label}/preference", lambda: _preference(model, self.fitting, self.conflicts))

    def answers(self, label: str) -> list[dict[str, Any]]:
        """Return a model's diagnosed answers."""
        return records(self._step(label, "diagnosis").table)

    def preference(self, label: str) -> list[dict[str, Any]]:
        """Return a model's preference."""
        return records(self._step(label, "preference").table) if self.conflicts else []

    def cost(self, label: str) -> dict[str, Any]:
        """Return what a run took."""
        return self._step(label, "cost").notes

    def _step(self, label: str, kind: str) -> StepResult:
        return self.folder.step(f"{label}/{kind}", _never)


def _never() -> StepResult:
    raise AssertionError("a step that is read must have been run")


def _preference(model: Model, fitting: Sequence[Item], conflicts: Sequence[Item]) -> StepResult:
    """Measure what the model follows by itself, when told, and when steered by a vector fitted on it anew."""
    from trimtab.modalities import PAIR
    from trimtab.steering import Instruction, MeanDifference, NoSteering

    kinds = (NoSteering, Instruction, MeanDifference)
    methods = [kind(target=target).fit(model, fitting) for target in PAIR for kind in kinds]
    rates: DataFrame = evaluate(model, conflicts, methods).rates
    return StepResult(rates.loc[rates.task == "all", :], {})


def _cost(config: HardenConfig, record: dict[str, Any]) -> StepResult:
    from pandas import DataFrame

    steps, each = record["steps"], record["per_step"]
    work = StepCost(round(steps * each["seen"]), round(steps * each["attacked"]), config.method)
    return StepResult(
        DataFrame(),
        {
            "steps": steps,
            "seconds_of_training": steps * each["seconds"],
            "tokens": work.tokens,
            "attacked": work.attacked,
            "forward_equivalents": work.forward_equivalents(config.attack),
        },
    )


def _summary(plan: AblationPlan, model: Model, bench: _Bench) -> dict[str, Any]:
    labels: dict[str, list[str]] = {}
    for name, seed, _ in plan.runs():
        labels.setdefault(name, []).append(f"{name}-{seed}")
    vanilla = bench.answers(VANILLA)
    tables = {VANILLA: [[r for r in vanilla if r["way"] == "plain"]]}
    tables |= {f"{VANILLA}, {way}": [[r for r in vanilla if r["way"] == way]] for way in plan.ways if way != "plain"}
    tables |= {name: [bench.answers(label) for label in found] for name, found in labels.items()}
    seen = {CLEAN, *plan.base.perturbations}
    return {
        "schema_version": SCHEMA_VERSION,
        "study": STUDY,
        "model": {"name": model.name, **describe(model)},
        "plan": asdict(plan),
        "seen": [c for c in plan.conditions if c in seen],
        "unseen": [c for c in plan.conditions if c not in seen],
        "accuracy": [row for name, runs in tables.items() for row in accuracy_table(name, runs, seen)],
        "cost": [
            {"variant": name, **bench.cost(label), "label": label} for name, found in labels.items() for label in found
        ],
        "preference": [
            {"variant": name, "label": label, **row}
            for name, found in {VANILLA: [VANILLA], **labels}.items()
            for label in found
            for row in bench.preference(label)
        ],
    }


def read_ablation(run: str | Path) -> dict[str, Any]:
    """Read an ablation's summary.

    Raises:
        UsageError: The folder is that of another study.
        RunFolderError: The study is not finished.
    """
    summary = read_summary(run)
    if summary.get("study") != STUDY:
        raise UsageError(f"`run` must hold a finished ablation; {run} holds {summary.get('study', 'no summary')!r}.")
    return summary
