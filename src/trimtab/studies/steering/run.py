"""Run a study from its plan into a run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from trimtab.engine.local.exclusive import batches_of
from trimtab.file_names import check_names
from trimtab.items import Items, read_items, valid_answers
from trimtab.items.readers.pocket import POCKET, POCKET_INTERFERENCE
from trimtab.models import Model, load
from trimtab.progress import SILENT, Progress
from trimtab.steering import METHODS, Instruction
from trimtab.studies.kit.choosing import choose_items
from trimtab.studies.kit.pictures import with_kept_images
from trimtab.studies.kit.provenance import computed_in, describe, git_commit, hardware, versions
from trimtab.studies.kit.run_folder import CONTROLS, ITEMS, PROVENANCE, SUMMARY, RunFolder, StepResult
from trimtab.studies.steering.plan import SWEPT, Plan
from trimtab.studies.steering.steps import NEUTRAL, REFUSED, ModelStudy, StudyItems
from trimtab.studies.steering.summary import as_json, summarise

if TYPE_CHECKING:
    from pandas import DataFrame


def run_study(
    plan: Plan,
    out: str | Path,
    *,
    load: Callable[..., Model] = load,
    read: Callable[[str], Items] | None = None,
    progress: Progress = SILENT,
) -> Path:
    """Run a study, or go on with one that was killed.

    For each model: measure the contribution of both modalities, fit every method for every target, choose layer
    and strength on validation items, evaluate on test items and on controls. A finished step is never computed again,
    so the same command, run again, ends with the same ``summary.json``.

    Args:
        plan: The study.
        out: The run folder, new or of the same study.
        load: Loads a model by name, with the plan's ``load`` as keyword arguments.
        read: Reads a split, such as ``pocket-mc2:test``; left out, ``trimtab.read_items``.
        progress: Told of what is being done.

    Returns:
        The run folder.

    Raises:
        RunFolderError: The folder belongs to another configuration, or cannot be written to.
        DataError: Items cannot be read.
        UnsupportedModelError: A model cannot be loaded.
    """
    items = _read(plan, read or partial(read_items, images=plan.images or None), progress)
    models = {}
    with progress.task("load models", len(plan.models)) as advance:
        for name in plan.models:
            models[name] = load(name, **plan.load)
            advance(1)
    with ExitStack() as stack:
        for model in models.values():
            stack.enter_context(batches_of(model, plan.batch_size))
        return _run(plan, out, items, models, progress)


def _run(plan: Plan, out: str | Path, items: StudyItems, models: dict[str, Model], progress: Progress) -> Path:
    identities = {model.name: describe(model) for model in models.values()}
    config = {
        "study": plan.resolved(),
        "models": {name: identity["fingerprint"] for name, identity in identities.items()},
        "computed_in": computed_in(models.values()),
        "data": items.describe(),
    }
    check_names(models, "`models` of Plan")
    with RunFolder(out, config) as folder:
        results = _results([ModelStudy(plan, folder, model, items, progress) for model in models.values()])
        _write(plan, folder, results, identities, _provenance(plan, folder, identities, items, models))
    return folder.path


class _Results(NamedTuple):
    """The finished steps of all models, and the items that a model cannot take."""

    skipped: list[dict[str, Any]]
    measured: list[StepResult]
    fitted: list[StepResult]
    evaluated: list[StepResult]
    controlled: list[StepResult]
    counted: list[StepResult]


def _results(studies: Iterable[ModelStudy]) -> _Results:
    found = _Results([], [], [], [], [], [])
    for study in studies:
        found.skipped.extend(study.admit())
        found.measured.extend(study.measure())
        fit = study.fit()
        found.fitted.extend(fit)
        artifacts = study.artifacts(fit)
        found.evaluated.extend(study.evaluate(artifacts))
        found.controlled.extend(study.control(artifacts))
        found.counted.extend(study.cost(artifacts))
    return found


def _write(
    plan: Plan, folder: RunFolder, results: _Results, identities: dict[str, Any], provenance: dict[str, Any]
) -> None:
    """Write what the steps found; the summary, which says that the study is finished, last."""
    refused = [step.notes[REFUSED] for step in results.fitted if REFUSED in step.notes]
    chosen = _joined(step for step in results.fitted if REFUSED not in step.notes)
    contributions, answers = _joined(results.measured), _joined(results.evaluated)
    controls, costs = (_joined(steps) if steps else None for steps in (results.controlled, results.counted))
    with_scores = _with_scores(plan, answers, contributions)
    folder.write(ITEMS, lambda part: with_scores.to_parquet(part, index=False))
    folder.write(PROVENANCE, json.dumps(provenance, indent=1) + "\n")
    if controls is not None:
        folder.write(CONTROLS, lambda part: controls.to_parquet(part, index=False))
    folder.write(
        SUMMARY,
        as_json(summarise(plan, identities, answers, contributions, chosen, refused, controls, costs, results.skipped)),
    )


def _read(plan: Plan, read: Callable[[str], Items], progress: Progress) -> StudyItems:
    sizes = {"train": plan.train_items, "validation": plan.validation_items, "test": plan.test_items}
    found: dict[str, Items] = {}
    valid: dict[str, frozenset[str]] = {}
    with progress.task("read splits", len(sizes)) as advance:
        for split, size in sizes.items():
            every = read(f"{plan.data}:{split}")
            if split == "test":
                valid = valid_answers(every)
            found[split] = with_kept_images(choose_items(every, size, plan.seed))
            advance(1)
    return StudyItems(found["train"], found["validation"], found["test"], valid, _joint(plan))


def _joint(plan: Plan) -> Items:
    """Return items that need image and text together, which the bundled benchmark has."""
    if plan.data != POCKET or not plan.control_items:
        return Items()
    every = [item for item in read_items(f"{POCKET_INTERFERENCE}:test") if item.relevant == "both"]
    return with_kept_images(choose_items(every, plan.control_items, plan.seed))


def _joined(steps: Iterable[StepResult]) -> DataFrame:
    from pandas import concat

    tables = []
    for step in steps:
        step.table.attrs = {}
        tables.append(step.table)
    return concat(tables, ignore_index=True)


def _with_scores(plan: Plan, answers: DataFrame, contributions: DataFrame) -> DataFrame:
    """Put beside each answer the contributions of the very prompt it answers, where they were measured.

    They were measured on the open question, plain and with each instruction before it.
    """
    same_prompt = answers["method"].isin([name for name in plan.methods if _keeps_prompt(plan, name)])
    instructed = answers["method"] == Instruction.name
    asked_as = answers["target"].where(instructed, NEUTRAL)
    asked = answers.assign(instruction=asked_as.where((same_prompt | instructed) & (answers["protocol"] == SWEPT)))
    scores = contributions.rename(columns={"item_id": "id", "image": "contribution_image", "text": "contribution_text"})
    return asked.merge(scores.drop(columns="task"), how="left", on=["model", "instruction", "id"])


def _keeps_prompt(plan: Plan, name: str) -> bool:
    """Whether a method of the plan edits the model and leaves the prompt as it is."""
    return not METHODS[plan.spec(name).method].changes_prompt


def _provenance(
    plan: Plan,
    folder: RunFolder,
    identities: dict[str, dict[str, Any]],
    items: StudyItems,
    models: dict[str, Model],
) -> dict[str, Any]:
    steps = folder.steps()
    costs = [notes["cost"] for notes in steps.values() if "cost" in notes]
    return {
        "study": plan.name,
        "seed": plan.seed,
        "versions": versions(),
        "commit": git_commit(),
        "hardware": hardware(models.values()),
        "models": identities,
        "data": items.describe(),
        "seconds": round(sum(notes["seconds"] for notes in steps.values()), 1),
        "evaluation": {key: sum(cost[key] for cost in costs) for key in (costs[0] if costs else ())},
        "steps": steps,
    }
