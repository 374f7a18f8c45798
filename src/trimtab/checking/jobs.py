"""The jobs that a check tries, each in its smallest whole form."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from trimtab.checking import asked, memory
from trimtab.checking.trial import Done, Trial
from trimtab.circuits import every_head, head_scores
from trimtab.circuits.readouts import read_out
from trimtab.circuits.task import answered
from trimtab.contribution import measure
from trimtab.engine import AddVector, Row, generate
from trimtab.interference import Donors, HardenConfig, diagnose, harden
from trimtab.items.prompts import prompt_for
from trimtab.steering import default_layer
from trimtab.steering.states import collect_states
from trimtab.studies.circuits import CircuitsPlan

ANSWERS_OF_AN_ITEM = 3
"""`evaluate` with one artifact asks each item plainly, under the instruction, and steered."""


@dataclass(frozen=True)
class Job:
    """Something that trimtab does with a model and items.

    Attributes:
        name: What it is called.
        verb: The verb of the command line that does it.
        unit: What is counted and timed.
        run: Does the job on a trial's item.
        units: How many units the data set comes to, at the verb's default settings.
        memory: Bytes that the job is expected to need beside the weights on the trial's item.
        conflict: Whether it is for conflict items only.
    """

    name: str
    verb: str
    unit: str
    run: Callable[[Trial], Done]
    units: Callable[[Trial], int]
    memory: Callable[[Trial], float]
    conflict: bool = False


def _every_item(trial: Trial) -> int:
    return trial.sizes.items


def _measure(trial: Trial) -> Done:
    found = measure(trial.model, [trial.item])
    if not found:
        raise ValueError(found.skipped[0].reason)
    return Done()


def _fit(trial: Trial) -> Done:
    collect_states(trial.model, [trial.item], [default_layer(trial.model)])
    return Done()


def _generate(trial: Trial) -> Done:
    direction = torch.ones(trial.model.hidden_size) / trial.model.hidden_size**0.5
    edit = AddVector(default_layer(trial.model), direction)
    generate(trial.model, [Row(prompt_for(trial.item), (edit,))])
    return Done()


def _sweep(trial: Trial) -> Done:
    """Silence each head of the middle layer in turn."""
    case = asked.case_of(trial)
    rows = asked.silenced(trial, case)
    read_out(trial.model, [case], [lambda _case, row=row: row.edits for row in rows])
    return Done(units=len(rows))


def _gradients(trial: Trial) -> Done:
    head_scores(trial.model, [asked.case_of(trial)], "gradient")
    return Done()


def _cases_of_study(trial: Trial) -> int:
    """All instructions of as many items as a circuits study scores heads on."""
    return len(answered(trial.item)) * min(CircuitsPlan(trial.model.name).score_items, trial.sizes.items)


def _heads_of_study(trial: Trial) -> int:
    return _cases_of_study(trial) * len(every_head(trial.model))


def _interference(trial: Trial) -> Done:
    items = asked.neighbours(trial)
    diagnose(trial.model, items[:1], donors=Donors(items))
    return Done()


def _harden(trial: Trial) -> Done:
    """Take one step on one item, under the default views that fit the items."""
    with tempfile.TemporaryDirectory(prefix="trimtab-check-") as folder:
        found = harden(trial.model, asked.neighbours(trial), Path(folder) / "out", asked.hardening(trial))
    return Done(seconds=found.record["per_step"]["seconds"])


def _items_of_hardening(_trial: Trial) -> int:
    config = HardenConfig()
    return config.steps * config.batch_size


JOBS: tuple[Job, ...] = (
    Job("contribution", "measure", "item", _measure, _every_item, memory.of_measure),
    Job("states", "fit", "item", _fit, _every_item, memory.of_states, conflict=True),
    Job(
        "steered answers",
        "evaluate",
        "answer",
        _generate,
        lambda trial: ANSWERS_OF_AN_ITEM * trial.sizes.items,
        memory.of_answer,
        conflict=True,
    ),
    Job("head sweep", "circuits", "row", _sweep, _heads_of_study, memory.of_sweep, conflict=True),
    Job("head gradients", "circuits", "case", _gradients, _cases_of_study, memory.of_gradients, conflict=True),
    Job("perturbations", "interference", "item", _interference, _every_item, memory.of_perturbations),
    Job("training step", "harden", "item", _harden, _items_of_hardening, memory.of_hardening),
)
"""What a check tries, in this order."""
