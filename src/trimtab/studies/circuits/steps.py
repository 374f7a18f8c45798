"""The steps of a circuits study: cases, knockouts, lens, scores, choices, and what is tried on test items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial

from trimtab.artifact_folder import artifact_digest
from trimtab.circuits import (
    SCOPES,
    Case,
    Cases,
    Condition,
    Edge,
    Head,
    HeadSet,
    TaskConfig,
    build_cases,
    decompose,
    edges_among,
    head_scores,
    knockout,
    lens,
    measures_among,
    patched_directly,
    perplexity,
    read_out,
    try_conditions,
)
from trimtab.circuits.heads import ScoreName
from trimtab.circuits.readouts import LABELS
from trimtab.circuits.task import answered
from trimtab.engine import Places, encode
from trimtab.errors import UsageError
from trimtab.items import Items, items_fingerprint, remembered, valid_answers
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.models import Model
from trimtab.progress import Advance, Within, rescaled
from trimtab.studies.circuits.choosing import amplifications, best_heads, choose_score, heads_of, tried_conditions
from trimtab.studies.circuits.patching import ablate_overrides, donors_among, patch_states, patched_cases, scores_table
from trimtab.studies.circuits.plan import SCORES, CircuitsPlan
from trimtab.studies.circuits.results import choice_of, follow_all, rows_of, scores_in, scores_of
from trimtab.studies.kit.admission import left_out, without
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.chunks import chunks_of
from trimtab.studies.kit.records import records
from trimtab.studies.kit.run_folder import StepResult, joined
from trimtab.studies.kit.study import Results, Step

Compute = Callable[[Results, Advance], StepResult]
ComputeChunk = Callable[[slice, Results, Advance], StepResult]

LEAST_SCORED = 2
"""Items to score heads on: with one, nothing says whether its scores are those of others."""


@dataclass(eq=False)
class CircuitSteps:
    """The computing of a circuits study.

    Attributes:
        plan: The study.
        bench: Where its model and its folder are.
        parts: The items chosen for the ``score``, ``validation``, ``test`` and ``abilities`` parts; all set the same
            modalities against each other.
    """

    plan: CircuitsPlan
    bench: Bench
    parts: Mapping[str, Items]
    _admitted: Mapping[str, Items] | None = field(default=None, init=False)
    _cases: Cases | None = field(default=None, init=False)
    _tried: list[Condition] | None = field(default=None, init=False)

    def steps(self) -> Iterator[Step]:
        """List the steps, each after its inputs."""
        score, admitted, named = len(self.parts["score"]), ("admission",), len(self.modalities)
        yield self._step("admission", self.admit, (), sum(map(len, self.parts.values())))
        yield self._step("baseline", self.baseline, admitted, named * score)
        read = (*admitted, "baseline")
        for edge in edges_among(self.modalities):
            yield self._step(flow_step(edge.name), partial(self.flow, edge), read, self.plan.flow_items)
        yield self._step("lens", self.lens, admitted, named * score)
        yield self._step("layers", self.layers, admitted, score)
        for name in SCORES:
            yield self._step(f"scores-{name}", partial(self.score, name), read, score)
        for donor, shown in donors_among(self.modalities).items():
            yield self._step(f"patches-{donor}", partial(self.patch, shown), read, self.plan.flow_items)
        yield self._step("patched-directly", self.patch_directly, read, score)
        patched = (*read, "scores-patching")
        yield self._step("ablation", self.ablate, patched, len(self.parts["test"]))
        scored = (*read, *(f"scores-{name}" for name in SCORES))
        choices = tuple(self._chunked("choose-score", "validation", self.try_scores, scored))
        yield from choices
        found = (*scored, *(step.name for step in choices))
        strengths = tuple(self._chunked("choose-strength", "validation", self.try_strengths, found))
        yield from strengths
        chosen = (*found, *(step.name for step in strengths))
        yield from self._chunked("test", "test", self.try_chosen, chosen)
        yield from self._chunked("abilities", "abilities", self.try_abilities, chosen)
        yield self._step("perplexity", self.language, chosen, len(self.parts["test"]))
        yield self._step("heads", self.save, chosen, 1)

    def _step(self, name: str, run: Compute, inputs: tuple[str, ...], units: int) -> Step:
        return Step(name, run, inputs, self.plan.model, f"{self.plan.model}: {name}", units)

    def _chunked(self, name: str, part: str, run: ComputeChunk, inputs: tuple[str, ...]) -> Iterator[Step]:
        for number, chunk in enumerate(chunks_of(len(self.parts[part]), self.plan.chunk)):
            yield self._step(f"{name}-{number:03d}", partial(run, chunk), inputs, chunk.stop - chunk.start)

    @property
    def model(self) -> Model:
        """The model."""
        return self.bench.model(self.plan.model)

    @cached_property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that the items set against each other."""
        return answered(self.parts["score"][0])

    @property
    def task(self) -> TaskConfig:
        """How items are asked."""
        return self.plan.task

    def admit(self, _done: Results, _advance: Advance) -> StepResult:
        """Find the items that the model cannot take; a row for each, as ``left_out`` makes it."""
        return left_out(self.model, dict(self.parts), ["open"], self.plan.longest_answer)

    def items(self, done: Results) -> Mapping[str, Items]:
        """Return the items of each part that the model can take."""
        if self._admitted is None:
            rows = records(done["admission"].table)
            self._admitted = {part: without(items, part, rows) for part, items in self.parts.items()}
        return self._admitted

    def cases(self, done: Results) -> Cases:
        """Return the cases of the score items.

        Raises:
            UsageError: They are too few to begin with.
        """
        if self._cases is None:
            self._cases = build_cases(self.model, self.items(done)["score"], self.task)
            usable = len(self._cases) // len(self.modalities)
            if usable < LEAST_SCORED:
                raise UsageError(
                    f"`items` of circuits must leave at least {LEAST_SCORED} that heads can be scored on; {usable} of "
                    f"the {len(self.parts['score'])} chosen for it can be used; give more items."
                )
        return self._cases

    def successes(self, done: Results) -> Cases:
        """Return the cases of items that follow under every instruction; there may be none."""
        rows, cases = records(done["baseline"].table), self.cases(done)
        following = follow_all(rows, self.modalities)
        return Cases([case for case in cases if case.item.id in following], cases.skipped)

    def baseline(self, done: Results, _advance: Advance) -> StepResult:
        """Read the intact model: with each instruction, and the margin it has without one."""
        from pandas import DataFrame

        cases = self.cases(done)
        found = read_out(self.model, cases)
        bare = [replace(case, prompt=encode(self.model, prompt_for(case.item))) for case in cases]
        prior = read_out(self.model, bare)
        table = DataFrame(
            {
                "id": [case.item.id for case in cases],
                "task": [case.item.task for case in cases],
                "target": [case.target for case in cases],
                "margin": found.margins[:, 0].tolist(),
                "label": [LABELS[number] for number in found.labels[:, 0].tolist()],
                "prior": prior.margins[:, 0].tolist(),
            }
        )
        return StepResult(table, {"skipped": len(cases.skipped)})

    def flow(self, edge: Edge, done: Results, advance: Advance) -> StepResult:
        """Cut an edge in every window, on cases that follow; nothing if there are none, or it has no ends in any."""
        cases = self._first(self.successes(done))
        if not any(edge.ends(case, self.plan.seed) for case in cases):
            return StepResult.nothing()  # a template may end at once, or be too short for a control
        told = rescaled(advance, len(cases) * (self.model.n_layers + 1), self.plan.flow_items)
        found = knockout(self.model, cases, [edge], size=self.plan.window, seed=self.plan.seed, progress=Within(told))
        return StepResult(found, {"cases": len(cases)})

    def _first(self, cases: Sequence[Case]) -> list[Case]:
        # In the order of the items, which alternates between tasks.
        wanted = set(list(dict.fromkeys(case.item.id for case in cases))[: self.plan.flow_items])
        return [case for case in cases if case.item.id in wanted]

    def patch(self, shown: Modality | None, done: Results, advance: Advance) -> StepResult:
        """Patch states of all tokens and of parts, layer by layer; see ``patched_cases`` for the cases."""
        rows, successes = records(done["baseline"].table), self.successes(done)
        cases = self._first(patched_cases(successes, self.cases(done), rows, shown))
        return patch_states(self.model, cases, shown, bool(successes), advance, self.plan.flow_items)

    def patch_directly(self, done: Results, _advance: Advance) -> StepResult:
        """Find the direct part of patching each head, where the score is."""
        cases = self.successes(done)
        if len({case.item.id for case in cases}) < LEAST_SCORED:
            return StepResult.nothing()
        return scores_table(patched_directly(self.model, cases), {"layers": self.model.n_layers})

    def ablate(self, done: Results, advance: Advance) -> StepResult:
        """Silence the heads that override, and random sets, on test items."""
        cases = build_cases(self.model, self.items(done)["test"], self.task)
        patching = scores_in(done, "patching", "scores-patching")
        return ablate_overrides(self.model, cases, patching, self.plan.seed, advance, len(self.parts["test"]))

    def lens(self, done: Results, _advance: Advance) -> StepResult:
        """Read both answers off every layer, with and without the final norm."""
        tables = [lens(self.model, self.cases(done), norm).assign(norm=norm) for norm in ("final", "none")]
        return StepResult(joined(StepResult(table, {}) for table in tables), {})

    def layers(self, done: Results, _advance: Advance) -> StepResult:
        """Split the margin into what each layer's attention and MLP add."""
        from pandas import DataFrame

        cases = self.cases(done)
        parts = decompose(self.model, cases)
        table = [
            {
                "id": case.item.id,
                "target": case.target,
                "layer": layer,
                "attention": float(parts.attention[number, layer]),
                "mlp": float(parts.mlp[number, layer]),
            }
            for number, case in enumerate(cases)
            for layer in range(self.model.n_layers)
        ]
        return StepResult(DataFrame(table), {})

    def score(self, name: ScoreName, done: Results, advance: Advance) -> StepResult:
        """Score all heads in one way, on cases that follow under every instruction.

        Where fewer than two items do, on all cases, without patching: it says how far a margin is moved from one answer
        to another, and where the model does not follow there is no such way to go.
        """
        successes = self.successes(done)
        enough = len({case.item.id for case in successes}) >= LEAST_SCORED
        if not enough and name == "patching":
            return StepResult.nothing()
        cases = successes if enough else self.cases(done)
        heads = self.model.n_layers * self.model.n_heads
        rows = len(cases) * (heads + 1 if name in ("causal", "patching") else 1)
        told = rescaled(advance, rows, len(self.parts["score"]))
        found = head_scores(self.model, cases, name, at=self._at(), progress=Within(told))
        notes = {"layers": self.model.n_layers, "cases": len(cases), "follow_both": enough}
        return scores_table(found, notes)

    def _at(self) -> Places:
        return tuple(place for place in SCOPES[self.plan.scope] if place != "generated")

    def try_scores(self, chunk: slice, done: Results, advance: Advance) -> StepResult:
        """Block the heads that each score chooses, on validation items."""
        tops = best_heads(self.plan, scores_of(done))
        conditions = [Condition("intact"), *(Condition(name, self._head_set(h, -1.0)) for name, h in tops.items())]
        return self._try("validation", chunk, conditions, measures_among(self.modalities), done, advance)

    def try_strengths(self, chunk: slice, done: Results, advance: Advance) -> StepResult:
        """Amplify the heads of the chosen score, on validation items."""
        heads = heads_of(choose_score(self.plan, scores_of(done), rows_of(done, "choose-score")))
        strengths = amplifications(self.plan)
        conditions = [Condition(name, self._head_set(heads, strength)) for name, strength in strengths.items()]
        return self._try("validation", chunk, conditions, self.modalities, done, advance)

    def try_chosen(self, chunk: slice, done: Results, advance: Advance) -> StepResult:
        """Block and amplify the chosen heads, and controls, on test items that no choice has seen."""
        return self._try("test", chunk, self._conditions(done), measures_among(self.modalities), done, advance)

    def try_abilities(self, chunk: slice, done: Results, advance: Advance) -> StepResult:
        """Block the chosen heads on further items, to compare plain abilities."""
        conditions = [c for c in self._conditions(done) if c.name in ("intact", "blocked")]
        measures = [m for m in measures_among(self.modalities) if m not in self.modalities]
        return self._try("abilities", chunk, conditions, measures, done, advance)

    def language(self, done: Results, advance: Advance) -> StepResult:
        """Measure the perplexity of the test contexts."""
        named = ("intact", "blocked", choice_of(self.plan, done)["amplification"], "random 1")
        conditions, items = [c for c in self._conditions(done) if c.name in named], self.items(done)["test"]
        told = rescaled(advance, len(items) * len(conditions), len(self.parts["test"]))
        return StepResult(perplexity(self.model, items, conditions, Within(told)), {})

    def save(self, done: Results, _advance: Advance) -> StepResult:
        """Save the chosen heads, amplified, as an artifact for each modality."""
        choice, items, digests = choice_of(self.plan, done), self.items(done), {}
        for target in self.modalities:
            home = self.bench.path / "artifacts" / f"heads-{target}"
            HeadSet.of(
                self.model,
                target,
                heads_of(choice),
                strength=choice["strength"],
                scope=self.plan.scope,
                instruction=self.task.instruction(target, self.modalities),
                placement=self.task.placement,
                data_fingerprint=items_fingerprint(items["score"]),
                fitted_items=remembered([*items["score"], *items["validation"]]),
            ).save(home)
            digests[target] = artifact_digest(home)
        return StepResult(StepResult.nothing().table, {"artifacts": digests})

    def _conditions(self, done: Results) -> list[Condition]:
        if self._tried is None:
            choice = choice_of(self.plan, done)
            scores = scores_of(done)[choice["score"]]
            cases = self.cases(done)
            self._tried = tried_conditions(self.plan, self.model, cases, scores, choice, self._head_set)
        return self._tried

    def _try(
        self,
        part: str,
        chunk: slice,
        conditions: Sequence[Condition],
        measures: Sequence[str],
        done: Results,
        advance: Advance,
    ) -> StepResult:
        items = self.items(done)[part][chunk]
        if not items:
            return StepResult.nothing()
        found = try_conditions(
            self.model,
            items,
            conditions,
            self.task,
            valid=valid_answers(self.bench.items(self.plan.data)),
            measures=measures,
            max_new_tokens=self.plan.longest_answer,
            progress=Within(rescaled(advance, len(items) * len(conditions) * len(measures), chunk.stop - chunk.start)),
        )
        return StepResult(found, {})

    def _head_set(self, heads: Sequence[Head], strength: float) -> HeadSet:
        """Make a head set of the study's scope; what is to be followed is said by the prompts themselves."""
        target = self.modalities[0]  # a set must have one, though none is asked for here
        return HeadSet.of(self.model, target, heads, strength=strength, scope=self.plan.scope, instruction=None)


def flow_step(edge: str) -> str:
    """Return the name of the step that cuts an edge."""
    return f"flow-{edge.replace(' ', '-')}"
