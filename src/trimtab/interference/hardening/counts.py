"""How much of what a run asks for its items can give: views of each kind, and positions to attack."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.errors import UsageError
from trimtab.interference.hardening.config import HardenConfig
from trimtab.interference.hardening.schedule import Schedule
from trimtab.interference.perturbations import perturb
from trimtab.interference.views import CLEAN, View, irrelevant_modalities


@dataclass(frozen=True)
class Counts:
    """What the items that are trained on give, each counted once.

    Attributes:
        views: Views of each kind, the clean ones first.
        attackable: Views that show what an attack may change.
    """

    views: dict[str, int]
    attackable: int


def counted(schedule: Schedule) -> Counts:
    """Count what the items of a schedule give, and refuse what none of them does.

    Raises:
        UsageError: A perturbation, the attack or the consistency would never apply.
    """
    config = schedule.config
    views, attackable = dict.fromkeys((CLEAN, *config.perturbations), 0), 0
    items = [item for family in dict.fromkeys(schedule.turns) for item in schedule.families[family]]
    for item in items:
        for name in views:
            view = perturb(item, () if name == CLEAN else (name,), schedule.donors, config.seed)
            views[name] += view is not None
            attackable += view is not None and _attackable(view, config)
    _check(views, attackable, config)
    return Counts(views, attackable)


def _attackable(view: View, config: HardenConfig) -> bool:
    """Whether an attack has positions to change, as ``make_rows`` will mark them."""
    if config.attack is None:
        return False
    irrelevant = irrelevant_modalities(view.item)
    return any(view.shows(name) for name in irrelevant) or ("text" in irrelevant and config.attack.text == "all")


def _check(views: dict[str, int], attackable: int, config: HardenConfig) -> None:
    unfit = [name for name, count in views.items() if not count]
    if unfit:
        raise UsageError(
            f"`perturbations` of HardenConfig must each fit some training item; {', '.join(unfit)} fits none of "
            f"{views[CLEAN]}; leave it out, or add items that it fits."
        )
    if config.attack is not None and not attackable:
        raise UsageError(
            "`attack` of HardenConfig must find something to change; no view of a training item shows what does not "
            "matter; add a perturbation, or leave the attack out."
        )
    if config.consistency != "none" and len(views) == 1 and not attackable:
        raise UsageError(
            "`consistency` of HardenConfig must have views to compare with the clean one; there are neither "
            "perturbations nor an attack that fits; use 'none'."
        )
