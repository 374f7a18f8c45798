"""Items with one right answer as other programs ask them: alone, and beside what is irrelevant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache

from trimtab.engine import Prompt
from trimtab.errors import DataError, UsageError
from trimtab.interference.diagnosis import IRRELEVANT
from trimtab.interference.options import picked_option
from trimtab.interference.perturbations import Donors, fitting, perturb
from trimtab.interference.views import CLEAN, Opened, View
from trimtab.items import Item, read_items
from trimtab.items.admission import check_items

SEED = 0
"""Seed of the perturbations; ``DiagnosisConfig`` has the same."""


@dataclass(frozen=True, eq=False)
class Perturbed:
    """Items under every perturbation of what does not matter.

    Attributes:
        items: The items by their ids.
        donors: The items to borrow from.
        conditions: ``clean``, and the perturbations that fit some item.
    """

    items: Mapping[str, Item]
    donors: Donors
    conditions: tuple[str, ...]

    def view(self, item: Item, condition: str) -> View | None:
        """Return an item under a condition; None if that does not fit it.

        Raises:
            DataError: The item has no options.
        """
        return perturb(item, () if condition == CLEAN else (condition,), self.donors, SEED)

    def prompt(self, view: View) -> Prompt:
        """Return what a view asks, without what it shows."""
        return replace(view, shown=()).prompt(Opened())

    def judge(self, item: Item, reply: str) -> tuple[int | None, bool]:
        """Return the place of the option that a reply picks, None for none, and whether it is the right one."""
        option = picked_option(reply, item.choices)
        return option, option is not None and item.choices[option] == item.answer


@cache
def perturbed(source: str, images: str | None) -> Perturbed:
    """Read items that say what is relevant, once a process; conflict items among them are left out.

    Args:
        source: What ``trimtab.read_items`` takes.
        images: The folder that pictures are in.

    Raises:
        UsageError: The source is of no known kind, two items have the same id, or none says what is relevant.
        DataError: It cannot be read, or holds no usable item.
    """
    items = [item for item in read_items(source, images=images) if item.relevant is not None]
    if not items:
        raise UsageError(
            f"`items` of an irrelevant-modality task must say what is `relevant`; none of {source} does; ask others."
        )
    taken = [item for item in check_items(items, "`items` of an irrelevant-modality task") if _has_options(item)]
    if not taken:
        raise DataError(f"`choices` of the items of {source} must hold the answer and another option; none do.")
    return Perturbed({item.id: item for item in taken}, Donors(taken, SEED), (CLEAN, *fitting(IRRELEVANT, taken)))


def _has_options(item: Item) -> bool:
    return len(item.choices) > 1 and item.answer in item.choices
