"""Whose picture or text an item borrows: seeded permutations in which nobody gets back its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cached_property

from trimtab.errors import DataError, UsageError
from trimtab.interference.views import shown_context
from trimtab.items import Item
from trimtab.modalities import SHOWN, Modality


class Donors:
    """The items that others may borrow from.

    ``image_of`` and ``text_of`` are two independent permutations, as the data spectrum test wants them
    (arXiv 2509.23499); shuffling keeps the marginals of either modality, unlike blanking.
    """

    def __init__(self, items: Iterable[Item], seed: int = 0) -> None:
        """Remember the items; the permutations are drawn when they are first needed.

        Args:
            items: The items of one data set.
            seed: Seed of both permutations.
        """
        self.items = list(items)
        self.seed = seed

    @cached_property
    def lenders(self) -> dict[Modality, list[Item]]:
        """The items that have something to show of each modality."""
        return {kind: [item for item in self.items if item.content_of(kind) is not None] for kind in SHOWN}

    @cached_property
    def _image_donors(self) -> dict[str, Item]:
        owners = self.lenders["image"]
        keys = [item.image.fingerprint for item in owners if item.image is not None]
        return self._paired(owners, keys, "image")

    @cached_property
    def _text_donors(self) -> dict[str, Item | UsageError]:
        """Each item's donor; where a kind of items cannot be exchanged, the reason in its place.

        A kind is a family with or without a context to show. It lends and borrows among itself: what each item shows
        is what is exchanged, and a family keeps its own texts.
        """
        kinds: dict[tuple[tuple[Modality, ...] | None, bool], list[Item]] = {}
        for item in self.items:
            kinds.setdefault((item.relevant, shown_context(item) is not None), []).append(item)
        found: dict[str, Item | UsageError] = {}
        for kind in kinds.values():
            try:
                found |= self._paired(kind, [f"{i.question}\n{shown_context(i) or ''}" for i in kind], "text")
            except UsageError as error:
                found |= dict.fromkeys((item.id for item in kind), error)
        return found

    def image_of(self, item: Item) -> Item | None:
        """Return the item whose picture this one gets; None if it has no picture itself."""
        return self._image_donors.get(item.id)

    def text_of(self, item: Item) -> Item | None:
        """Return the item whose question, and context if this one shows any, this one gets; None for a stranger.

        Raises:
            DataError: Too many items of its kind show the same text, so some would get back their own.
        """
        donor = self._text_donors.get(item.id)
        if isinstance(donor, UsageError):
            raise DataError(f"the text shown with it cannot be exchanged: {donor}") from donor
        return donor

    def _paired(self, items: Sequence[Item], keys: Sequence[str], what: str) -> dict[str, Item]:
        places = donors_without_fixed_points(keys, random.Random(f"{self.seed}:{what}"))
        return {item.id: items[place] for item, place in zip(items, places, strict=True)}


def donors_without_fixed_points(keys: Sequence[str], rng: random.Random) -> list[int]:
    """Draw a permutation that gives no place an equal key, so nobody borrows from itself or its double.

    Equal keys are put next to each other in random order and everything is moved on by the size of the largest group.

    Args:
        keys: What each place has; equal keys are the same content.
        rng: The source of the draw.

    Returns:
        For each place the place it borrows from.

    Raises:
        UsageError: More than half of the places have the same content, so no such permutation exists.
    """
    if not keys:
        return []
    counts = Counter(keys)
    largest = max(counts.values())
    if 2 * largest > len(keys):
        raise UsageError(
            f"`items` to shuffle must differ: {largest} of {len(keys)} have the same content, so some would get back "
            "their own; give more items with different pictures and questions."
        )
    group = {key: rng.random() for key in counts}
    order = sorted(range(len(keys)), key=lambda place: (group[keys[place]], keys[place], rng.random()))
    donor = [0] * len(keys)
    for here, place in enumerate(order):
        donor[place] = order[(here + largest) % len(order)]
    return donor
