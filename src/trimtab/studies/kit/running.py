"""Run a study of any kind: all of it, or one step of it, as other processes may run the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from trimtab.engine import forget_media
from trimtab.errors import RunFolderError, UsageError
from trimtab.file_names import check_names
from trimtab.progress import SILENT, Advance, Progress
from trimtab.studies.kit.bench import Bench, Load, Read
from trimtab.studies.kit.provenance import git_commit, hardware, versions
from trimtab.studies.kit.run_folder import PROVENANCE, SUMMARY, RunFolder, StepResult, check_belongs, has_step
from trimtab.studies.kit.study import Outcome, Results, Step, Study, StudyPlan, study_of


def run_study(
    study: Study | StudyPlan,
    out: str | Path,
    *,
    load: Load | None = None,
    read: Read | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Run a study of any kind, or go on with one that was stopped.

    A finished step is never computed again, so the same call, made again, ends with the same ``summary.json``.

    Args:
        study: A study, or the plan of one.
        out: The run folder, new or of the same study.
        load: Loads a model by name, with the plan's ``load`` as keyword arguments; left out, ``trimtab.load``.
        read: Reads items, such as ``pocket-mc2:test``; left out, ``trimtab.read_items``.
        progress: Told of what is being done.

    Returns:
        The run folder, with ``summary.json``, ``provenance.json`` and the tables of its kind.

    Raises:
        UsageError: It is no study, or its items cannot be used.
        RunFolderError: The folder belongs to another configuration, is in use, or cannot be written to.
        DataError: Items cannot be read.
        UnsupportedModelError: A model cannot be loaded.
    """
    study = study_of(study)
    check_names(study.models(), f"`models` of {type(study.plan).__name__}")
    with Bench(study.plan, out, load, read, progress) as bench:
        steps, config = study.steps(bench), _config(study, bench)
        _load_all(study, bench)
        with RunFolder(out, config) as folder:
            for name in study.models():
                folder.pin(name, bench.identity(name))
            done = _run_all(steps, folder, bench)
            _write(study, folder, bench, study.summarise(bench, done))
    return folder.path


def run_step(
    study: Study | StudyPlan,
    out: str | Path,
    name: str,
    *,
    load: Load | None = None,
    read: Read | None = None,
    progress: Progress = SILENT,
) -> StepResult:
    """Run one step of a study, whose inputs are finished; one that is done is read.

    Other processes may run other steps of the same folder at the same time. ``run_study``, called when all are done,
    writes the summary.

    Args:
        study: A study, or the plan of one.
        out: The run folder, new or of the same study.
        name: The step, as ``list_steps`` names it.
        load: See ``run_study``; only the step's own model is loaded.
        read: See ``run_study``.
        progress: Told of what is being done.

    Raises:
        UsageError: The study has no such step.
        RunFolderError: Inputs are missing, another process runs this very step or the whole study, or the folder
            belongs to another configuration or cannot be written to.
    """
    (found,) = run_steps(study, out, [name], load=load, read=read, progress=progress)
    return found


def run_steps(
    study: Study | StudyPlan,
    out: str | Path,
    names: Iterable[str],
    *,
    load: Load | None = None,
    read: Read | None = None,
    progress: Progress = SILENT,
) -> Iterator[StepResult]:
    """Run steps one after another, each as ``run_step`` does, with models, items and training states got once.

    Args:
        study: A study, or the plan of one.
        out: The run folder, new or of the same study.
        names: The steps. Each is asked for when the one before is done, so another process may hand them out.
        load: See ``run_step``.
        read: See ``run_study``.
        progress: Told of what is being done.

    Yields:
        What each step found, when it is done.

    Raises:
        UsageError: The study has no such step.
        RunFolderError: See ``run_step``.
    """
    study = study_of(study)
    with Bench(study.plan, out, load, read, progress) as bench:
        steps = {step.name: step for step in study.steps(bench)}
        with RunFolder(out, _config(study, bench), shared=True) as folder:
            for name in names:
                yield _run_one(study, steps, _step_named(steps, name), folder, bench)


def _run_one(study: Study, steps: dict[str, Step], step: Step, folder: RunFolder, bench: Bench) -> StepResult:
    missing = [needed for needed in step.inputs if not has_step(folder.path, needed)]
    if missing:
        raise RunFolderError(
            f"step {step.name!r} must have its inputs in the run folder; {folder.path} lacks {', '.join(missing)}; "
            "run these first."
        )
    if step.model is not None:
        study.check(bench.model(step.model))
        folder.pin(step.model, bench.identity(step.model))
    with folder.step_lock(step.name), bench.progress.task(step.name, step.units) as advance:
        done = {needed: folder.read(needed, steps[needed].model) for needed in step.inputs}
        return _done(step, done, folder, bench, advance)


class StepState(NamedTuple):
    """A step as ``list_steps`` tells of it.

    Attributes:
        name: Its name.
        inputs: The names of the steps that it needs.
        done: Whether it is done.
        wave: 1 if it needs no other step, else one more than the highest wave among its inputs: the steps of a wave
            can run at the same time, once those of the waves before are done.
    """

    name: str
    inputs: tuple[str, ...]
    done: bool
    wave: int


def list_steps(study: Study | StudyPlan, out: str | Path, *, read: Read | None = None) -> list[StepState]:
    """List a study's steps, each after its inputs; no model is loaded, and the folder need not be there.

    Raises:
        RunFolderError: The folder belongs to another study.
        DataError: Items cannot be read.
    """
    study = study_of(study)
    check_belongs(out, _plan_config(study))
    with Bench(study.plan, out, None, read) as bench:
        steps = study.steps(bench)
    waves: dict[str, int] = {}
    for step in steps:  # each after its inputs
        waves[step.name] = 1 + max((waves[needed] for needed in step.inputs), default=0)
    return [StepState(step.name, step.inputs, has_step(out, step.name), waves[step.name]) for step in steps]


def _plan_config(study: Study) -> dict[str, Any]:
    return {"kind": study.kind, "schema_version": study.schema_version, "plan": study.plan.resolved()}


def _config(study: Study, bench: Bench) -> dict[str, Any]:
    return {**_plan_config(study), "data": study.data(bench)}


def _load_all(study: Study, bench: Bench) -> None:
    names = study.models()
    with bench.progress.task("load models", len(names)) as advance:
        for name in names:
            study.check(bench.model(name))
            advance(1)


def _run_all(steps: Sequence[Step], folder: RunFolder, bench: Bench) -> Results:
    done: dict[str, StepResult] = {}
    for task, group in groupby(steps, key=lambda step: step.task):
        own = list(group)
        with bench.progress.task(task, sum(step.units for step in own)) as advance:
            for step in own:
                inputs = {name: done[name] for name in step.inputs}
                done[step.name] = _done(step, inputs, folder, bench, advance)
    return done


def _done(step: Step, inputs: Results, folder: RunFolder, bench: Bench, advance: Advance) -> StepResult:
    """Do a step, or read it; in the end it has told of all its units."""
    left = step.units

    def told(n: int) -> None:
        nonlocal left
        left -= n
        advance(n)

    def from_fresh() -> StepResult:
        if step.model is not None:
            # What earlier steps left in memory must not show in the last bit of a later one.
            forget_media(bench.model(step.model))
        return step.run(inputs, told)

    result = folder.step(step.name, from_fresh, step.model)
    if left > 0:
        advance(left)
    return result


def _step_named(steps: dict[str, Step], name: str) -> Step:
    if name in steps:
        return steps[name]
    close = get_close_matches(name, steps, n=3) or list(steps)[:3]
    raise UsageError(
        f"`--step` must be one of the {len(steps)} steps of this study, such as {', '.join(close)}; got {name!r}; "
        "--list shows all."
    )


def _write(study: Study, folder: RunFolder, bench: Bench, found: Outcome) -> None:
    """Write what the steps found; the summary, which says that the study is finished, last."""
    for name, table in found.tables.items():
        folder.write(name, partial(table.to_parquet, index=False))
    folder.write(PROVENANCE, json.dumps(_provenance(study, folder, bench), indent=1) + "\n")
    summary = {"schema_version": study.schema_version, "kind": study.kind, **found.summary}
    folder.write(SUMMARY, json.dumps(summary, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def _provenance(study: Study, folder: RunFolder, bench: Bench) -> dict[str, Any]:
    steps = folder.steps()
    costs = [notes["cost"] for notes in steps.values() if "cost" in notes]
    return {
        "kind": study.kind,
        "versions": versions(),
        "commit": git_commit(),
        "hardware": hardware(bench.loaded()),
        "models": {bench.model(name).name: bench.description(name) for name in study.models()},
        "data": study.data(bench),
        "seconds": round(sum(notes["seconds"] for notes in steps.values()), 1),
        "evaluation": {key: sum(cost[key] for cost in costs) for key in (costs[0] if costs else ())},
        "steps": steps,
    }
