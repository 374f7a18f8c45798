"""How much a study of interference asks of a model, counted from its plan and items."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.interference import DiagnosisConfig
from trimtab.interference.perturbations import PERTURBATIONS, fitting
from trimtab.items import Item
from trimtab.studies.kit.study import Rows


def diagnosed(config: DiagnosisConfig, items: Sequence[Item]) -> Rows:
    """Return the rows of a diagnosis: every view, every way; an upper bound where an item lacks what a view needs."""
    asked = len(config.ways) * sum(1 + _views(config, item) for item in items)
    return Rows(asked if "logits" in config.scoring else 0, asked if "generation" in config.scoring else 0)


def _views(config: DiagnosisConfig, item: Item) -> int:
    """Return how many of the conditions an item can be asked under: those that shuffle, or leave what matters."""
    parts = [condition.split("+") for condition in config.conditions]
    kept = [[name for name in names if PERTURBATIONS.named(name).kind != "shuffle"] for names in parts]
    return sum(len(fitting(names, [item])) == len(names) for names in kept)


def preferred(targets: int, ways: int, fitted: int, tested: int) -> Rows:
    """Return the rows of a preference: states of the items that a vector is fitted on, and all answers.

    Args:
        targets: Modalities to follow.
        ways: How often an item is answered for each of them.
        fitted: Items that vectors are fitted on.
        tested: Items that are answered.
    """
    return Rows(targets * (1 + targets) * fitted, targets * ways * tested)
