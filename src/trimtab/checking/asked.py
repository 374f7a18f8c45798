"""What each job asks of the item that is tried, before and while it does it."""

from __future__ import annotations

from contextlib import suppress

from trimtab.checking.trial import Trial
from trimtab.circuits import build_cases
from trimtab.circuits.task import Case
from trimtab.contribution.coalitions import Coalitions, prompts_shown
from trimtab.contribution.measuring import case_of_prompt
from trimtab.contribution.shapley import Shapley
from trimtab.engine import Encoded, Prompt, Row, ScaleHeads, encode
from trimtab.errors import UsageError
from trimtab.interference import DiagnosisConfig, Donors, HardenConfig, perturb, with_relevant
from trimtab.interference.hardening import Schedule, usual
from trimtab.interference.views import Opened
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.steering import default_layer
from trimtab.steering.states import instructed

NEIGHBOURS = 8
"""Items given beside the one that is tried, to borrow pictures and texts from, or where its answers do not fit."""


def case_of(trial: Trial) -> Case:
    """Return the case of the item tried, or of one beside it if its answers begin alike."""
    for item in trial.items[: NEIGHBOURS - 1]:
        with suppress(UsageError):
            return build_cases(trial.model, [item])[0]
    return build_cases(trial.model, trial.items[NEIGHBOURS - 1 : NEIGHBOURS] or trial.items[:1])[0]


def silenced(trial: Trial, case: Case) -> list[Row]:
    """Return the rows of a case: intact, and with each head of the middle layer silenced in turn."""
    layer, heads = default_layer(trial.model), range(trial.model.n_heads)
    return [Row(case.prompt), *(Row(case.prompt, (ScaleHeads(layer, (head,), ("last",), 0.0),)) for head in heads)]


def under_instructions(trial: Trial) -> list[Prompt]:
    """Return the item's prompts that states are read of."""
    own = prompt_for(trial.item)
    return [own, *instructed(own)]


def coalitions(trial: Trial) -> list[list[Encoded]]:
    """Return the item's prompts for every set of its modalities, in the runs that they are asked in."""
    case = case_of_prompt(trial.model, prompt_for(trial.item), Shapley())
    shown = prompts_shown(trial.model, case, Coalitions.of(case.modalities))
    return [shown[:-1], shown[-1:]]


def neighbours(trial: Trial) -> list[Item]:
    """Return items with one right answer; the first of them is the one that is tried."""
    return list(with_relevant(trial.items[:NEIGHBOURS], trial.item.modalities[0]))


def views(trial: Trial) -> list[Prompt]:
    """Return the item clean and under every perturbation that fits it."""
    items, opened = neighbours(trial), Opened()
    donors, config = Donors(items), DiagnosisConfig()
    made = [perturb(items[0], names, donors, config.seed) for names in ((), *((n,) for n in config.conditions))]
    taken = [view for view in made if view is not None and set(view.media) <= set(trial.model.modalities)]
    return [view.prompt(opened) for view in taken]


def hardening(trial: Trial) -> HardenConfig:
    """Return one step on one item, under the default views that fit the items."""
    items, names = neighbours(trial), usual(trial.model.modalities)
    donors = Donors(items)
    found = tuple(name for name in names if any(perturb(item, [name], donors) is not None for item in items))
    return HardenConfig(steps=1, batch_size=1, perturbations=found)


def first_views(trial: Trial) -> list[Encoded]:
    """Return the views that its one step is taken on."""
    group = Schedule(neighbours(trial), hardening(trial))[0]
    return [encode(trial.model, prompt) for prompt in group.prompts]
