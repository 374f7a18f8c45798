"""What a perturbation is, the registry, and how several are composed."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from trimtab.errors import UsageError
from trimtab.interference.perturbations.donors import Donors
from trimtab.interference.views import CLEAN, View, clean_view, irrelevant_modalities
from trimtab.items import Item
from trimtab.items.mentions import find_mentions, phrase_of
from trimtab.items.words import singular, words
from trimtab.modalities import Modality
from trimtab.registry import Registry

Kind = Literal["irrelevant", "shuffle"]
"""``irrelevant``: alters the modality that does not matter; ``shuffle``: exchanges content between items."""


@dataclass(frozen=True)
class Draw:
    """What a perturbation may draw from.

    Attributes:
        rng: Random numbers of this perturbation and item alone, so that no draw depends on another.
        donors: The other items, whose media and texts may be borrowed.
    """

    rng: random.Random
    donors: Donors


class Perturbation(Protocol):
    """A way to alter one modality of a view."""

    @property
    def name(self) -> str:
        """What conditions call it."""
        ...

    @property
    def modality(self) -> Modality:
        """The modality it alters."""
        ...

    @property
    def kind(self) -> Kind:
        """What it does to the item."""
        ...

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Return the altered view, or None where the item lacks what the perturbation needs."""
        ...


PERTURBATIONS: Registry[Perturbation] = Registry("`perturbation`")
"""All perturbations by name."""


def register(perturbation: Perturbation) -> Perturbation:
    """Make a perturbation known by its name.

    Raises:
        UsageError: The name is taken, or cannot be part of a condition's name.
    """
    name = perturbation.name
    if name in (*PERTURBATIONS, CLEAN) or "+" in name:
        raise UsageError(f"`name` of a perturbation must be new, not {CLEAN!r}, and without '+'; got {name!r}.")
    return PERTURBATIONS.register(perturbation)


def perturb(item: Item, names: Sequence[str], donors: Donors, seed: int | str = 0) -> View | None:
    """Apply perturbations to an item's clean view, one after the other.

    The same item, names, donors and seed always give the same view, whatever else is drawn.

    Args:
        item: An item that says what is relevant and has options.
        names: Perturbations to apply; texts add to each other, a later medium replaces an earlier one of its kind.
        donors: The items to borrow from.
        seed: Seed of the draws.

    Returns:
        The view; None if a perturbation does not fit the item: it would alter what matters, or lacks what it needs.

    Raises:
        UsageError: A name is unknown.
        DataError: The item does not say what is relevant, or has no options.
    """
    view, irrelevant = clean_view(item), irrelevant_modalities(item)
    for name in names:
        chosen = PERTURBATIONS.named(name)
        if chosen.kind == "irrelevant" and chosen.modality not in irrelevant:
            return None
        altered = chosen(view, Draw(random.Random(f"{seed}:{name}:{item.id}"), donors))
        if altered is None:
            return None
        view = altered
    return replace(view, condition="+".join(names) or CLEAN)


def fitting(names: Iterable[str], items: Iterable[Item]) -> tuple[str, ...]:
    """Return the perturbations that alter what does not matter for some of the items."""
    irrelevant = {modality for item in items for modality in irrelevant_modalities(item)}
    return tuple(name for name in names if PERTURBATIONS.named(name).modality in irrelevant)


def names_answer(text: str, item: Item) -> bool:
    """Return whether a text names an item's right answer, in any of its wordings, singular or plural."""
    aliases = [alias for modality in item.relevant or () for alias in item.aliases_of(modality)]
    right = {phrase_of(answer, singular).key for answer in (item.answer, *aliases)}
    return bool(find_mentions(words(text), right, singular))
