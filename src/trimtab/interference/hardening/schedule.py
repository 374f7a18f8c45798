"""Which item is trained on when: a fixed schedule, so that a resumed run sees what an unbroken one sees."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch.utils.data import Dataset

from trimtab.engine import Prompt, reason_of
from trimtab.errors import DataError, UsageError
from trimtab.interference.hardening.config import HardenConfig
from trimtab.interference.perturbations import Donors, perturb
from trimtab.interference.views import Opened, clean_view, irrelevant_modalities
from trimtab.items import RELEVANT, Item, relevant_name
from trimtab.items.admission import check_items
from trimtab.modalities import Modality


@dataclass(frozen=True, eq=False)
class Group:
    """All views of one item, which never part: they are one element of the data set, whatever the workers.

    Attributes:
        place: Place in the schedule.
        prompts: The views, the clean one first.
        answer: The place of the right option.
        irrelevant: The modalities that do not matter.
        skipped: Items in whose place this one stands, and why they could not be used.
    """

    place: int
    prompts: tuple[Prompt, ...]
    answer: int
    irrelevant: tuple[Modality, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)


class Schedule(Dataset[Group]):
    """The items of a whole training run, in order.

    Families take turns as the mixture says; within a family, items come in a new random order each time round. What
    stands where depends on the configuration and the place alone.

    Attributes:
        items: The items that can be trained on.
        skipped: Items without ``relevant`` or usable options, with the reason.
    """

    def __init__(
        self, items: Iterable[Item], config: HardenConfig, fault: Callable[[Sequence[Prompt]], str | None] | None = None
    ) -> None:
        """Plan the run.

        Args:
            items: Items that say what is relevant and have options.
            config: The run.
            fault: Says why prompts cannot be taken, or None; asked when a group is made.

        Raises:
            UsageError: There is no such item, two have the same id, or the mixture asks for a family that has none.
        """
        self.config = config
        self.fault = fault
        self.items: list[Item] = []
        self.skipped: dict[str, str] = {}
        for item in check_items(items, "`items` of harden"):
            try:
                clean_view(item)
                self.items.append(item)
            except DataError as error:
                self.skipped[item.id] = str(error)
        if not self.items:
            raise UsageError(
                "`items` of harden must hold items with `relevant` and `choices`; got none; give the field, or set it "
                "for all with with_relevant."
            )
        self.donors = Donors(self.items, config.seed)
        self.families: dict[str, list[Item]] = {family: [] for family in RELEVANT}
        for item in self.items:
            self.families.setdefault(str(relevant_name(item.relevant)), []).append(item)
        mixture = config.mixture or {family: 1 for family, found in self.families.items() if found}
        missing = [family for family in mixture if not self.families.get(family)]
        if missing:
            raise UsageError(
                f"`mixture` of HardenConfig must name families that the items have; there is no item whose relevant is "
                f"{missing[0]}; leave it out."
            )
        self.turns = _spread(mixture)

    def __len__(self) -> int:
        return self.config.steps * self.config.batch_size

    def __getitem__(self, place: int) -> Group:
        """Return the group at a place; an item that the model cannot take gives way to the next of its family."""
        family = self.turns[place % len(self.turns)]
        members = self.families[family]
        turn = place // len(self.turns) * self.turns.count(family) + self.turns[: place % len(self.turns)].count(family)
        skipped: dict[str, str] = {}
        for attempt in range(len(members)):
            item = self._member(family, turn + attempt)
            try:
                return self._group(place, item, skipped)
            except Exception as error:  # whatever a picture's decoder or drawing makes of it
                skipped[item.id] = reason_of(error)
        reason = next(iter(skipped.values()))
        raise DataError(f"`items` of harden must hold usable ones whose relevant is {family}; none is: {reason}")

    def _member(self, family: str, turn: int) -> Item:
        members = self.families[family]
        order = list(range(len(members)))
        random.Random(f"{self.config.seed}:{family}:{turn // len(members)}").shuffle(order)
        return members[order[turn % len(members)]]

    def _group(self, place: int, item: Item, skipped: Mapping[str, str]) -> Group:
        opened, seed = Opened(), f"{self.config.seed}:{place}"
        views = [perturb(item, names, self.donors, seed) for names in ((), *((n,) for n in self.config.perturbations))]
        prompts = tuple(view.prompt(opened) for view in views if view is not None)
        reason = self.fault(prompts) if self.fault else None
        if reason is not None:
            raise DataError(reason)
        return Group(place, prompts, item.choices.index(item.answer), irrelevant_modalities(item), skipped)


def _spread(mixture: dict[str, int]) -> list[str]:
    """Lay the families' turns out evenly: 2:2:4 becomes both image both text, twice."""
    total = sum(mixture.values())
    places: list[tuple[float, str]] = [
        ((k + 0.5) * total / share, family) for family, share in mixture.items() for k in range(share)
    ]
    return [family for _, family in sorted(places)]


def as_batch(groups: list[Group]) -> dict[str, list[Group]]:
    """Collate for a Trainer, which wants a mapping."""
    return {"groups": groups}
