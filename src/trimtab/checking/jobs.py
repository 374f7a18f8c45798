"""The jobs that a check tries, each in its smallest whole form."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from trimtab.checking import memory
from trimtab.checking.trial import Done, Trial
from trimtab.circuits import build_cases, every_head, head_scores
from trimtab.circuits.readouts import Variant, intact, read_out
from trimtab.circuits.task import Case, answered
from trimtab.contribution import measure
from trimtab.engine import AddVector, Edit, Row, ScaleHeads, generate
from trimtab.errors import UsageError
from trimtab.interference import Donors, HardenConfig, diagnose, harden, perturb, with_relevant
from trimtab.interference.hardening import usual
from trimtab.items.prompts import prompt_for
from trimtab.steering import default_layer
from trimtab.steering.states import collect_states
from trimtab.studies.circuits import CircuitsPlan

ANSWERS_OF_AN_ITEM = 3
"""`evaluate` with one artifact asks each item plainly, under the instruction, and steered."""
NEIGHBOURS = 8
"""Items given beside the one that is tried, to borrow pictures and texts from, or where its answers do not fit."""


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


def _case(trial: Trial) -> Case:
    """Return the case of the item tried, or of one beside it if its answers begin alike."""
    for item in trial.items[: NEIGHBOURS - 1]:
        with suppress(UsageError):
            return build_cases(trial.model, [item])[0]
    return build_cases(trial.model, trial.items[NEIGHBOURS - 1 : NEIGHBOURS] or trial.items[:1])[0]


def _sweep(trial: Trial) -> Done:
    """Silence each head of the middle layer in turn."""
    layer = default_layer(trial.model)

    def silenced(head: int, _case: Case) -> tuple[Edit, ...]:
        return (ScaleHeads(layer, (head,), ("last",), 0.0),)

    variants: list[Variant] = [intact, *(partial(silenced, head) for head in range(trial.model.n_heads))]
    read_out(trial.model, [_case(trial)], variants)
    return Done(units=len(variants))


def _gradients(trial: Trial) -> Done:
    head_scores(trial.model, [_case(trial)], "gradient")
    return Done()


def _cases_of_study(trial: Trial) -> int:
    """All instructions of as many items as a circuits study scores heads on."""
    return len(answered(trial.item)) * min(CircuitsPlan(trial.model.name).score_items, trial.sizes.items)


def _heads_of_study(trial: Trial) -> int:
    return _cases_of_study(trial) * len(every_head(trial.model))


def _interference(trial: Trial) -> Done:
    items = with_relevant(trial.items[:NEIGHBOURS], trial.item.modalities[0])
    diagnose(trial.model, items[:1], donors=Donors(items))
    return Done()


def _harden(trial: Trial) -> Done:
    """Take one step on one item, under the default views that fit the items."""
    items = with_relevant(trial.items[:NEIGHBOURS], trial.item.modalities[0])
    donors = Donors(items)
    fitting = [
        name
        for name in usual(trial.model.modalities)
        if any(perturb(item, [name], donors) is not None for item in items)
    ]
    config = HardenConfig(steps=1, batch_size=1, perturbations=tuple(fitting))
    with tempfile.TemporaryDirectory(prefix="trimtab-check-") as folder:
        found = harden(trial.model, items, Path(folder) / "out", config)
    return Done(seconds=found.record["per_step"]["seconds"])


def _items_of_hardening(_trial: Trial) -> int:
    config = HardenConfig()
    return config.steps * config.batch_size


JOBS: tuple[Job, ...] = (
    Job("contribution", "measure", "item", _measure, _every_item, memory.of_measure),
    Job("states", "fit", "item", _fit, _every_item, memory.of_prompts, conflict=True),
    Job(
        "steered answers",
        "evaluate",
        "answer",
        _generate,
        lambda trial: ANSWERS_OF_AN_ITEM * trial.sizes.items,
        memory.of_prompts,
        conflict=True,
    ),
    Job("head sweep", "circuits", "row", _sweep, _heads_of_study, memory.of_sweep, conflict=True),
    Job("head gradients", "circuits", "case", _gradients, _cases_of_study, memory.of_gradients, conflict=True),
    Job("perturbations", "interference", "item", _interference, _every_item, memory.of_perturbations),
    Job("training step", "harden", "item", _harden, _items_of_hardening, memory.of_hardening),
)
"""What a check tries, in this order."""
