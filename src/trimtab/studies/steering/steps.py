"""The steps of a study on one model: measure, fit, evaluate. Each is stored when done and never done again."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from trimtab.artifact_folder import artifact_digest
from trimtab.contribution import MCS, measure
from trimtab.errors import RunFolderError, UnsupportedMethodError
from trimtab.file_names import file_name
from trimtab.items import Item, Items, items_fingerprint
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Progress
from trimtab.steering import Artifact, TrainingSet, load_artifact
from trimtab.studies.kit.admission import left_out, without
from trimtab.studies.kit.counting import costs
from trimtab.studies.kit.records import Record, records
from trimtab.studies.kit.run_folder import RunFolder, StepResult
from trimtab.studies.steering.controls import Control, evaluate_controls, joint_controls, unimodal_controls
from trimtab.studies.steering.evaluation import conditions, evaluate
from trimtab.studies.steering.fitting import fit_method, layers_needed
from trimtab.studies.steering.plan import SWEPT, Plan

if TYPE_CHECKING:
    from pandas import DataFrame

T = TypeVar("T")

logger = logging.getLogger(__name__)

NEUTRAL = "none"
"""Name of the prompt without an instruction in tables."""

SPLITS = ("train", "validation", "test", "joint")

REFUSED = "refused"
"""Note of a step whose method the model cannot take: why."""


@dataclass(frozen=True, eq=False)
class StudyItems:
    """Items of a study with their pictures opened.

    Attributes:
        train: To fit on.
        validation: To choose layer and strength on.
        test: To evaluate on; the first of them are swept and measured.
        valid: Valid answers of each task in the whole test split.
        joint: Items that need image and text together; none, where the data has none or no control is asked for.
    """

    train: Items
    validation: Items
    test: Items
    valid: dict[str, frozenset[str]]
    joint: Items = field(default_factory=Items)

    def describe(self) -> dict[str, Any]:
        """Return sizes, counts of skipped items, and fingerprints."""
        return {
            name: {
                "items": len(items),
                "skipped": len(items.skipped),
                "fingerprint": items_fingerprint(items),
            }
            for name, items in (
                ("train", self.train),
                ("validation", self.validation),
                ("test", self.test),
                *((("joint", self.joint),) if self.joint else ()),
            )
        }


@dataclass(eq=False)
class ModelStudy:
    """A study's steps on one model."""

    plan: Plan
    folder: RunFolder
    model: Model
    items: StudyItems
    progress: Progress

    def admit(self) -> list[Record]:
        """Leave out the items that the model cannot take, and return a row for each, as ``left_out`` makes it."""
        splits = {name: getattr(self.items, name) for name in SPLITS}
        with self.progress.task(f"{self.model.name}: check items", sum(map(len, splits.values()))) as advance:
            step = self._step(
                "admission", lambda: left_out(self.model, splits, self.plan.protocols, self.plan.longest_answer)
            )
            advance(sum(map(len, splits.values())))
        rows = records(step.table)
        self.items = replace(self.items, **{name: without(items, name, rows) for name, items in splits.items()})
        return rows

    def measure(self) -> list[StepResult]:
        """Measure the contribution of both modalities, without an instruction and under each."""
        prompts = {NEUTRAL: None, **{modality: INSTRUCTIONS[modality] for modality in self.plan.targets}}
        measured = self.items.test[: self.plan.contribution_items]
        done = []
        with self.progress.task(f"{self.model.name}: contribution", len(prompts) * len(measured)) as advance:
            for name, instruction in prompts.items():
                for number, chunk in enumerate(_chunks(measured, self.plan.chunk)):

                    def compute(
                        chunk: Sequence[Item] = chunk, name: str = name, instruction: str | None = instruction
                    ) -> StepResult:
                        return self._measure(chunk, name, instruction)

                    done.append(self._step(f"contribution-{name}-{number:03d}", compute))
                    advance(len(chunk))
        return done

    def fit(self) -> list[StepResult]:
        """Fit every method for every target, and save the artifacts.

        A method that cannot work on this model is left out: its step has the reason as ``refused`` in its notes.
        """
        wanted = self.plan.wanted()
        done = []
        with self.progress.task(f"{self.model.name}: fit and tune", len(wanted)) as advance:
            for method, target in wanted:

                def compute(method: str = method, target: Modality = target) -> StepResult:
                    return self._fit(method, target)

                done.append(self._step(file_name(f"fit-{method}-{target}"), compute))
                advance(1)
        return done

    def artifacts(self, fitted: Sequence[StepResult]) -> list[Artifact]:
        """Load the saved artifacts of what ``fit`` returned, target by target in the order of the plan's methods.

        Raises:
            ArtifactError: One is gone or broken.
            RunFolderError: One is not the one that was fitted.
        """
        return [
            self._artifact(method, target, step.notes)
            for (method, target), step in zip(self.plan.wanted(), fitted, strict=True)
            if REFUSED not in step.notes
        ]

    def _artifact(self, method: str, target: Modality, notes: dict[str, Any]) -> Artifact:
        home = self._artifact_folder(method, target)
        artifact = load_artifact(home, self.model)
        if artifact_digest(home) != notes["artifact"]:
            raise RunFolderError(
                f"artifact {home} of the run folder must be the one that was fitted there; it is another one; delete "
                "the run folder's step of its fit to fit it again."
            )
        return artifact

    def evaluate(self, artifacts: Sequence[Artifact]) -> list[StepResult]:
        """Evaluate the artifacts at their own strengths, and openly at every strength on the first test items."""
        chunks = [
            (protocol, chunk, strengths if protocol == SWEPT else None)
            for protocol in self.plan.protocols
            for chunk, strengths in _sweep_chunks(self.items.test, self.plan)
        ]
        total = sum(len(c) * len(conditions(artifacts, strengths)) for _, c, strengths in chunks)
        done, numbers = [], Counter()
        with self.progress.task(f"{self.model.name}: evaluate", total) as advance:
            for protocol, chunk, strengths in chunks:

                def compute(
                    chunk: Sequence[Item] = chunk,
                    strengths: Sequence[float] | None = strengths,
                    protocol: str = protocol,
                ) -> StepResult:
                    return self._evaluate(chunk, artifacts, strengths, protocol)

                name = "evaluate" if protocol == SWEPT else f"evaluate-{protocol}"
                done.append(self._step(f"{name}-{numbers[protocol]:03d}", compute))
                numbers[protocol] += 1
                advance(len(chunk) * len(conditions(artifacts, strengths)))
        return done

    def control(self, artifacts: Sequence[Artifact]) -> list[StepResult]:
        """Ask items without a conflict under the artifacts at every strength, if the plan wants it."""
        chunks = _chunks(
            [
                *unimodal_controls(self.items.test[: self.plan.control_items]),
                *joint_controls(self.items.joint),
            ],
            self.plan.chunk,
        )
        ways, done = conditions(artifacts, self.plan.strengths), []
        with self.progress.task(f"{self.model.name}: controls", sum(map(len, chunks)) * len(ways)) as advance:
            for number, chunk in enumerate(chunks):

                def compute(chunk: Sequence[Control] = chunk) -> StepResult:
                    found = evaluate_controls(
                        self.model,
                        chunk,
                        artifacts,
                        strengths=self.plan.strengths,
                        max_new_tokens=self.plan.longest_answer,
                    )
                    return StepResult(found, {})

                done.append(self._step(f"control-{number:03d}", compute))
                advance(len(chunk) * len(ways))
        return done

    def cost(self, artifacts: Sequence[Artifact]) -> list[StepResult]:
        """Count the work of single answers under each artifact, if the plan wants it."""
        items = self.items.test[: self.plan.cost_items]
        if not items:
            return []
        with self.progress.task(f"{self.model.name}: cost", len(artifacts)) as advance:

            def compute() -> StepResult:
                return StepResult(costs(self.model, items, artifacts, self.plan.longest_answer), {})

            done = self._step("cost", compute)
            advance(len(artifacts))
        return [done]

    def _step(self, name: str, compute: Any) -> StepResult:
        def from_fresh() -> StepResult:
            # What earlier steps left in memory must not show in the last bit of a later one.
            self.model.forget_media()
            return compute()

        return self.folder.step(f"{file_name(self.model.name)}/{name}", from_fresh)

    @cached_property
    def _training_set(self) -> TrainingSet:
        """What the methods learn from; made only if some method is not fitted yet."""
        train = TrainingSet(self.model, self.items.train, layers_needed(self.plan, self.model.n_layers))
        _ = train.states
        self.model.forget_media()
        return train

    def _artifact_folder(self, method: str, target: Modality) -> Path:
        return self.folder.path / "artifacts" / file_name(self.model.name) / file_name(f"{method}-{target}")

    def _fit(self, method: str, target: Modality) -> StepResult:
        home, options = self._artifact_folder(method, target), sorted(self.plan.spec(method).options)
        try:
            artifact = fit_method(self.plan, method, target, self._training_set, self.items.validation)
        except UnsupportedMethodError as error:
            logger.warning("%s leaves out %s toward the %s: %s", self.model.name, method, target, error)
            refusal = {"model": self.model.name, "method": method, "target": target, "reason": str(error)}
            return StepResult(artifact_table([], options), {REFUSED: refusal})
        artifact.save(home)
        return StepResult(artifact_table([artifact], options), {"artifact": artifact_digest(home)})

    def _measure(self, chunk: Sequence[Item], name: str, instruction: str | None) -> StepResult:
        config = MCS(seed=self.plan.seed)
        found = measure(self.model, chunk, instruction=instruction, method=config)
        table = found.table()
        table.insert(0, "instruction", name)
        table.insert(0, "model", self.model.name)
        return StepResult(table, {"skipped": len(found.skipped)})

    def _evaluate(
        self, chunk: Sequence[Item], artifacts: Sequence[Artifact], strengths: Sequence[float] | None, protocol: str
    ) -> StepResult:
        found = evaluate(
            self.model,
            chunk,
            artifacts,
            strengths=strengths,
            protocol=protocol,
            valid=self.items.valid,
            max_new_tokens=self.plan.longest_answer,
        )
        receipt = [asdict(entry) for entry in found.receipt.entries.values()]
        return StepResult(
            found.answers, {"receipt": receipt, "cost": asdict(found.cost), "skipped": len(found.skipped)}
        )


def artifact_table(artifacts: Sequence[Artifact], own_options: Sequence[str]) -> DataFrame:
    """Return what was chosen: ``model, folder, method, kind, target, layer, strength, reading, train_items, varied``.

    ``varied`` names the options in which a variant differs from its method.
    """
    from pandas import DataFrame

    return DataFrame(
        [
            {
                "model": a.model_name,
                "folder": file_name(a.model_name),
                "method": a.name,
                "kind": a.method,
                "target": a.target,
                "layer": a.layer,
                "strength": a.strength,
                "reading": a.options.get("reading"),
                "train_items": a.metrics.get("train", {}).get("items"),
                "varied": ", ".join(own_options),
            }
            for a in artifacts
        ]
    )


def _chunks(items: Sequence[T], size: int) -> list[Sequence[T]]:
    return [items[start : start + size] for start in range(0, len(items), size)]


def _sweep_chunks(items: Sequence[Item], plan: Plan) -> list[tuple[Sequence[Item], Sequence[float] | None]]:
    """Cut items into chunks that are swept, then chunks that are not."""
    swept, rest = items[: plan.sweep_items], items[plan.sweep_items :]
    return [
        *((chunk, plan.strengths) for chunk in _chunks(swept, plan.chunk)),
        *((chunk, None) for chunk in _chunks(rest, plan.chunk)),
    ]
