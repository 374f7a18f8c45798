"""How well a model does, clean and perturbed, while it is being hardened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.interference.diagnosis import DiagnosisConfig, WorstCase, diagnose, worst_case
from trimtab.interference.perturbations import Donors
from trimtab.interference.views import CLEAN
from trimtab.items import Item
from trimtab.models import Model


@dataclass(frozen=True)
class Accuracies:
    """What an evaluation found.

    Attributes:
        rates: ``clean_FAMILY`` and ``worst_FAMILY`` (the accuracy under the condition that loses most, the clean one
            included) for each family, and ``clean`` and ``worst``, their means over families.
        worst: Each family's worst case, with its items and their clean accuracy.
    """

    rates: dict[str, float]
    worst: dict[str, WorstCase]


def family_accuracies(
    model: Model, items: Sequence[Item], perturbations: tuple[str, ...], donors: Donors, seed: int = 0
) -> Accuracies:
    """Measure clean and worst accuracy of each family.

    Args:
        model: The model.
        items: Items that say what is relevant and have options.
        perturbations: Conditions tried beside the clean one.
        donors: Items to borrow from.
        seed: Seed of the perturbations.
    """
    answers = diagnose(model, items, DiagnosisConfig(perturbations, seed=seed), donors=donors).answers
    right: dict[str, dict[str, dict[str, bool]]] = {}
    columns = (answers[name] for name in ("relevant", "condition", "id", "correct"))
    for family, condition, item, correct in zip(*columns, strict=True):
        right.setdefault(family, {}).setdefault(condition, {})[item] = bool(correct)
    worst = {family: worst_case(conditions) for family, conditions in right.items()}
    clean = {family: sum(c[CLEAN].values()) / len(c[CLEAN]) for family, c in right.items()}
    rates: dict[str, float] = {}
    for family, case in worst.items():
        rates |= {f"clean_{family}": clean[family], f"worst_{family}": case.accuracy}
    rates["clean"] = sum(clean.values()) / len(clean)
    rates["worst"] = sum(case.accuracy for case in worst.values()) / len(worst)
    return Accuracies(rates, worst)
