"""The worst that any condition makes of a family's answers, against the clean answers of the same items."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from trimtab.interference.views import CLEAN

MINIMUM = 10
"""Items that a condition must fit, or all of a smaller family: of few items, chance alone makes the worst."""

Right = Mapping[str, bool]
"""Whether the answer to each item is right."""


@dataclass(frozen=True)
class WorstCase:
    """The condition that loses most.

    Attributes:
        condition: Its name; ``clean`` where none loses anything.
        n: Items that it fits.
        accuracy: Their accuracy under it.
        clean: Their clean accuracy.
        ignored: Conditions that fit too few items to be compared.
    """

    condition: str
    n: int
    accuracy: float
    clean: float
    ignored: tuple[str, ...] = ()


def worst_case(right: Mapping[str, Right], among: Collection[str] | None = None) -> WorstCase:
    """Find the condition of the lowest accuracy, each compared with the clean one on the items that it fits.

    Conditions fit different items, so their bare accuracies do not compare.

    Args:
        right: The answers under each condition, ``clean`` among them.
        among: Conditions to choose from; left out, all of them, ``clean`` included.
    """
    clean = right[CLEAN]
    enough = min(MINIMUM, len(clean))
    tried = [name for name in right if among is None or name in among]
    cases = {name: _compared(name, right[name], clean) for name in tried if len(right[name]) >= enough}
    ignored = tuple(name for name in tried if name not in cases)
    worst = min(cases.values(), key=_difference, default=_compared(CLEAN, clean, clean))
    return WorstCase(worst.condition, worst.n, worst.accuracy, worst.clean, ignored)


def _compared(name: str, right: Right, clean: Right) -> WorstCase:
    n = len(right)
    return WorstCase(name, n, sum(right.values()) / n, sum(clean[item] for item in right) / n)


def _difference(case: WorstCase) -> float:
    return case.accuracy - case.clean
