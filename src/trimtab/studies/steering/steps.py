"""The steps of a steering study on one model: admit, measure, fit, evaluate, control, count."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trimtab.artifact_folder import artifact_digest
from trimtab.contribution import measure
from trimtab.engine import Capability, forget_media
from trimtab.errors import RunFolderError, UnsupportedMethodError
from trimtab.file_names import file_name
from trimtab.items import Items
from trimtab.items.prompts import instruction_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Advance
from trimtab.steering import Artifact, TrainingSet, load_steering
from trimtab.studies.kit.admission import left_out
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.chunks import chunks_of
from trimtab.studies.kit.counting import costs
from trimtab.studies.kit.evaluation import evaluate
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import StepResult
from trimtab.studies.kit.study import Results, Rows, Step, Work
from trimtab.studies.steering.asking import evaluate_controls
from trimtab.studies.steering.counted import CountedWork
from trimtab.studies.steering.fitting import fit_again, fit_method, layers_needed
from trimtab.studies.steering.items import JOINT_TRAIN, StudyItems
from trimtab.studies.steering.plan import MEASURED, SWEPT, Plan

if TYPE_CHECKING:
    from pandas import DataFrame

logger = logging.getLogger(__name__)

NEUTRAL: Literal["none"] = "none"
"""Name of the prompt without an instruction in tables."""

REFUSED = "refused"
"""Note of a step whose method the model cannot take: why."""


@dataclass(eq=False)
class ModelSteps:
    """The steps of a study on one model, and the work that they do.

    Attributes:
        plan: The study.
        bench: Where its models and its folder are.
        name: The plan's name of the model.
        items: The study's items.
    """

    plan: Plan
    bench: Bench
    name: str
    items: StudyItems
    _found: Mapping[str, Items] | None = field(default=None, init=False)
    _train: TrainingSet | None = field(default=None, init=False)
    _loaded: dict[int, list[Artifact]] = field(default_factory=dict, init=False)

    def steps(self) -> Iterator[Step]:
        """List the steps, each after its inputs."""
        chosen = self.items.chosen
        n, admission = len(chosen["test"]), self.path("admission")
        every = sum(map(len, chosen.values()))
        yield self._step("admission", self.admit, (), "check items", every, Rows())
        for prompt in (NEUTRAL, *self.plan.targets):
            for number, chunk in enumerate(chunks_of(min(n, self.plan.contribution_items), self.plan.chunk)):
                name = f"contribution-{prompt}-{number:03d}"
                rows, run = self.work.measured(_size(chunk)), partial(self.measure, prompt, chunk)
                yield self._step(name, run, (admission,), "contribution", _size(chunk), rows)
        for method, target, name in self.fits():
            rows, other = self.work.fitted(method, target), self.plan.spec(method).chosen_as
            if other is None:
                yield self._step(name, partial(self.fit, method, target), (admission,), "fit and tune", 1, rows)
            else:
                needs = (admission, self.path(_fit_name(other, target)))
                yield self._step(name, partial(self.fit_as, method, other, target), needs, "fit", 1, rows)
        for place in range(1, self.seeds):
            for method, target, name in self.fits(place):
                needs = (admission, self.path(_fit_name(method, target)))
                yield self._step(name, partial(self.fit_again, method, target, place), needs, "fit again", 1, Rows())
        controls = len(self.items.controls(chosen).all())
        for place in range(self.seeds):
            again, fitted = _again(place), (admission, *(self.path(name) for _, _, name in self.fits(place)))
            for protocol in self.plan.protocols:
                for number, (chunk, swept) in enumerate(self._test_chunks(n)):
                    asked = "" if protocol == SWEPT else f"-{protocol}"
                    run = partial(self.evaluate, protocol, chunk, swept and protocol == SWEPT, place)
                    rows = self.work.evaluated(_size(chunk), protocol, place, swept and protocol == SWEPT)
                    name = f"evaluate{asked}{again}-{number:03d}"
                    yield self._step(name, run, fitted, "evaluate", _size(chunk), rows)
            for number, chunk in enumerate(chunks_of(controls, self.plan.chunk)):
                run = partial(self.control, chunk, place)
                rows = self.work.controlled(_size(chunk), place)
                yield self._step(f"control{again}-{number:03d}", run, fitted, "controls", _size(chunk), rows)
        if self.plan.cost_items:
            fitted = (admission, *(self.path(name) for _, _, name in self.fits()))
            rows = Rows(0, self.plan.cost_items * len(self.plan.wanted()))
            yield self._step("cost", self.cost, fitted, "cost", len(self.plan.wanted()), rows)

    @property
    def work(self) -> CountedWork:
        """How much each step asks of the model."""
        return CountedWork(self.plan, {name: len(items) for name, items in self.items.chosen.items()})

    @property
    def seeds(self) -> int:
        """The most seeds that a method is fitted with."""
        return max(len(self.plan.seeds_of(method)) for method in self.plan.methods)

    def fits(self, place: int = 0) -> list[tuple[str, Modality, str]]:
        """List every method and target, with the name of the step that fits it; ``place`` is that of its seed."""
        wanted = self.plan.wanted()
        return [(m, t, _fit_name(m, t, place)) for m, t in wanted if place < len(self.plan.seeds_of(m))]

    def path(self, step: str) -> str:
        """Return the full name of one of this model's steps."""
        return f"{file_name(self.name)}/{step}"

    def admit(self, _done: Results, _advance: Advance) -> StepResult:
        """Find the items that the model cannot take; a row for each, as ``left_out`` makes it."""
        return left_out(self.model, self.items.opened, self.plan.protocols, self.plan.longest_answer)

    def measure(self, prompt: Modality | Literal["none"], chunk: slice, done: Results, _advance: Advance) -> StepResult:
        """Measure contributions, without an instruction or under one."""
        items = self._admitted(done)["test"][: self.plan.contribution_items][chunk]
        if not items:
            return StepResult.nothing()
        instruction = None if prompt == NEUTRAL else instruction_for(prompt, self.items.modalities)
        found = measure(self.model, items, instruction=instruction, method=MEASURED)
        table = found.table()
        table.insert(0, "instruction", prompt)
        table.insert(0, "model", self.model.name)
        return StepResult(table, {"skipped": len(found.skipped)})

    def fit(self, method: str, target: Modality, done: Results, _advance: Advance) -> StepResult:
        """Fit a method for a target, and save the artifact.

        A method that cannot work on this model is left out: its step has the reason as ``refused`` in its notes.
        """
        home, options = self._artifact_folder(method, target), sorted(self.plan.spec(method).options)
        found = self._admitted(done)
        train, joint = self._training_set(done), found[JOINT_TRAIN]
        try:
            artifact = fit_method(self.plan, method, target, train, found["validation"], joint)
        except UnsupportedMethodError as error:
            logger.warning("%s leaves out %s toward the %s: %s", self.model.name, method, target, error)
            refusal = {"model": self.model.name, "method": method, "target": target, "reason": str(error)}
            return StepResult(artifact_table([], options, self.name), {REFUSED: refusal})
        artifact.save(home)
        return StepResult(artifact_table([artifact], options, self.name), {"artifact": artifact_digest(home)})

    def fit_again(self, method: str, target: Modality, place: int, done: Results, advance: Advance) -> StepResult:
        """Fit a method with another of its seeds, at the layer and strength of the first, and save the artifact."""
        return self.fit_as(method, method, target, done, advance, place)

    def fit_as(
        self, method: str, other: str, target: Modality, done: Results, _advance: Advance, place: int = 0
    ) -> StepResult:
        """Fit a method with a seed, at the layer and strength of another's first, and save the artifact."""
        home, options = self._artifact_folder(method, target, place), sorted(self.plan.spec(method).options)
        notes = done[self.path(_fit_name(other, target))].notes
        if REFUSED in notes:
            refusal = {**notes[REFUSED], "method": method}
            return StepResult(artifact_table([], options, self.name), {REFUSED: refusal})
        first = load_steering(self.check_artifact(other, target, notes), self.model)
        train, joint = self._training_set(done), self._admitted(done)[JOINT_TRAIN]
        artifact = fit_again(self.plan, method, first, self.plan.seeds_of(method)[place], train, joint)
        artifact.save(home)
        return StepResult(artifact_table([artifact], options, self.name), {"artifact": artifact_digest(home)})

    def evaluate(
        self, protocol: str, chunk: slice, swept: bool, place: int, done: Results, _advance: Advance
    ) -> StepResult:
        """Evaluate the artifacts of a seed at their own strengths or, swept and of the first, at all."""
        items, swept = self._admitted(done)["test"][chunk], swept and not place
        if not items:
            return StepResult.nothing()
        artifacts = self._artifacts(done, place)
        found = evaluate(
            self.model,
            items,
            artifacts,
            strengths={own.name: self.plan.strengths_of(own.name) for own in artifacts} if swept else None,
            protocol=protocol,
            valid=self.items.valid,
            max_new_tokens=self.plan.longest_answer,
        )
        receipt = [asdict(entry) for entry in found.receipt.entries.values()]
        return StepResult(
            _of_seed(found.answers, place),
            {"receipt": receipt, "cost": asdict(found.cost), "skipped": len(found.skipped)},
        )

    def control(self, chunk: slice, place: int, done: Results, _advance: Advance) -> StepResult:
        """Ask items without a conflict under the artifacts of a seed at their own strengths."""
        controls = self.items.controls(self._admitted(done)).all()[chunk]
        if not controls:
            return StepResult.nothing()
        found = evaluate_controls(
            self.model, controls, self._artifacts(done, place), max_new_tokens=self.plan.longest_answer
        )
        return StepResult(_of_seed(found, place), {})

    def cost(self, done: Results, _advance: Advance) -> StepResult:
        """Count the work of single answers under each artifact."""
        items = self._admitted(done)["test"][: self.plan.cost_items]
        return StepResult(costs(self.model, items, self._artifacts(done), self.plan.longest_answer), {})

    @property
    def model(self) -> Model:
        """The model."""
        return self.bench.model(self.name)

    def _step(self, name: str, run: Work, inputs: tuple[str, ...], task: str, units: int, rows: Rows) -> Step:
        return Step(self.path(name), run, inputs, self.name, f"{self.name}: {task}", units, rows)

    def _test_chunks(self, n: int) -> list[tuple[slice, bool]]:
        """Cut test items into chunks that are swept, then chunks that are not."""
        swept = min(n, self.plan.sweep_items)
        return [
            *((chunk, True) for chunk in chunks_of(swept, self.plan.chunk)),
            *((chunk, False) for chunk in chunks_of(n, self.plan.chunk, swept)),
        ]

    def _admitted(self, done: Results) -> Mapping[str, Items]:
        if self._found is None:
            self._found = self.items.admitted(records(done[self.path("admission")].table))
        return self._found

    def _training_set(self, done: Results) -> TrainingSet:
        """What the methods learn from; made only if some method is not fitted yet."""
        if self._train is None:
            items = self._admitted(done)["train"]
            self._train = TrainingSet(self.model, items, layers_needed(self.plan, self.model.n_layers))
            if Capability.HIDDEN in self.plan.needs:
                _ = self._train.states
                forget_media(self.model)
        return self._train

    def _artifacts(self, done: Results, place: int = 0) -> list[Artifact]:
        """Load the artifacts fitted with a seed, target by target in the order of the plan's methods."""
        if place not in self._loaded:
            fits = [(m, t, done[self.path(name)].notes) for m, t, name in self.fits(place)]
            homes = [self.check_artifact(m, t, notes, place) for m, t, notes in fits if REFUSED not in notes]
            self._loaded[place] = [load_steering(home, self.model) for home in homes]
        return self._loaded[place]

    def check_artifact(self, method: str, target: str, notes: dict[str, Any], place: int = 0) -> Path:
        """Return the folder of an artifact, fitted with the seed of a place.

        Raises:
            ArtifactError: It is gone or broken.
            RunFolderError: It is not the one that was fitted.
        """
        home = self._artifact_folder(method, target, place)
        if artifact_digest(home) != notes["artifact"]:
            raise RunFolderError(
                f"artifact {home} of the run folder must be the one that was fitted there; it is another one; delete "
                "the run folder's step of its fit to fit it again."
            )
        return home

    def _artifact_folder(self, method: str, target: str, place: int = 0) -> Path:
        return self.bench.path / "artifacts" / file_name(self.name) / file_name(f"{method}-{target}{_again(place)}")


def _again(place: int) -> str:
    """Return what names of the further seeds end in; nothing for the first."""
    return f"-again-{place}" if place else ""


def _fit_name(method: str, target: str, place: int = 0) -> str:
    return file_name(f"fit-{method}-{target}{_again(place)}")


def _of_seed(answers: DataFrame, place: int) -> DataFrame:
    """Mark the rows of a further seed by its place among the seeds."""
    return answers.assign(seed=place) if place else answers


def artifact_table(artifacts: Sequence[Artifact], own_options: Sequence[str], model: str) -> DataFrame:
    """Return what was chosen: ``model, folder, method, kind, target, layer, strength, reading, train_items, varied``.

    ``varied`` names the options in which a variant differs from its method; ``folder`` is that of the steps of
    ``model``, the plan's name for it.
    """
    from pandas import DataFrame

    return DataFrame(
        [
            {
                "model": a.model_name,
                "folder": file_name(model),
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


def _size(chunk: slice) -> int:
    return chunk.stop - chunk.start
