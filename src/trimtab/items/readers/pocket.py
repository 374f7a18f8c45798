"""The bundled benchmark as items."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.items.item import Item, Items
from trimtab.items.sources import ImageScene
from trimtab.nearest import did_you_mean

if TYPE_CHECKING:
    from trimtab.pocket import PocketItem

POCKET = "pocket-mc2"
POCKET_INTERFERENCE = "pocket-interference"
POCKET_SOURCES = {POCKET: ("conflict",), POCKET_INTERFERENCE: ("classification", "closed_book", "both")}
"""Bundled sources, and the kinds of items each holds."""
POCKET_SPLITS = ("train", "validation", "test")


def read_pocket(source: str, split: str | None) -> Items:
    """Items of one split of a bundled source, named as in ``pocket-mc2:test``; see ``read_items``."""
    name, _, named = source.partition(":")
    wanted = named or split
    if wanted not in POCKET_SPLITS or (split is not None and split != wanted):
        asked = f"'{source}'" if split is None else f"'{source}' with split='{split}'"
        choices = ", ".join(f"'{name}:{each}'" for each in POCKET_SPLITS)
        meant = did_you_mean(wanted, POCKET_SPLITS, "choose one split")
        raise UsageError(f"source must be one of {choices}; it is {asked}{meant}")
    from trimtab import pocket

    return Items(item_from_pocket(r) for kind in POCKET_SOURCES[name] for r in pocket.items(wanted, kind=kind))


def texts_from_pocket(split: str) -> dict[str, tuple[str, str]]:
    """Return the irrelevant and the agreeing text of each conflict item of a split, by its id."""
    from trimtab import pocket

    return {record.id: (record.irrelevant_context, record.agreeing_context) for record in pocket.items(split)}


def item_from_pocket(record: PocketItem) -> Item:
    """A pocket item as an item; its picture is drawn when it is opened."""
    return Item(
        id=record.id,
        task=record.task,
        question=record.question,
        context=record.context,
        answer_image=record.answer_image,
        answer_text=record.answer_text,
        image=ImageScene(record.scene),
        aliases_image=tuple(record.aliases_image),
        aliases_text=tuple(record.aliases_text),
        choices=tuple(record.choices),
        split=record.split,
        relevant=None if record.relevant == "conflict" else record.relevant,
        closed=True,
    )
