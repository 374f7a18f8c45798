"""How well a model does, clean and perturbed, while it is being hardened."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.data import Item
from trimtab.interference.diagnose import DiagnosisConfig, diagnose
from trimtab.interference.perturbations import Donors
from trimtab.interference.views import CLEAN
from trimtab.models import Model


def family_accuracies(
    model: Model, items: Sequence[Item], perturbations: tuple[str, ...], donors: Donors, seed: int = 0
) -> dict[str, float]:
    """Return clean and lowest accuracy of each family, and their means.

    Args:
        model: The model.
        items: Items that say what is relevant and have options.
        perturbations: Conditions tried beside the clean one.
        donors: Items to borrow from.
        seed: Seed of the perturbations.

    Returns:
        ``clean_FAMILY`` and ``worst_FAMILY`` (the lowest accuracy of any condition, the clean one included) for each
        family, and ``clean`` and ``worst``, their means over families.
    """
    answers = diagnose(model, items, DiagnosisConfig(perturbations, seed=seed), donors=donors).answers
    found: dict[str, float] = {}
    for family, part in answers.groupby("relevant"):
        accuracy = {str(name): float(rows["correct"].to_numpy().mean()) for name, rows in part.groupby("condition")}
        found[f"clean_{family}"] = accuracy[CLEAN]
        found[f"worst_{family}"] = min(accuracy.values())
    for kind in ("clean", "worst"):
        values = [value for name, value in found.items() if name.startswith(kind)]
        found[kind] = sum(values) / len(values)
    return found
