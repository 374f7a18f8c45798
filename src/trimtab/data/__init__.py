"""Items, readers and writers for them, and answer matching."""

from trimtab.data.answers import Judgement, Label, judge, valid_answers
from trimtab.data.choices import judge_choice
from trimtab.data.images import ImageBytes, ImageFile, ImagePixels, ImageScene, ImageSource, ImageUnlocated
from trimtab.data.items import RELEVANT, Item, Items, Relevant, Skipped, items_fingerprint
from trimtab.data.readers import item_from_pocket, read_items
from trimtab.data.remembered import is_remembered, remembered
from trimtab.data.splits import split_items
from trimtab.data.words import normalise
from trimtab.data.writers import write_items

__all__ = [
    "RELEVANT",
    "ImageBytes",
    "ImageFile",
    "ImagePixels",
    "ImageScene",
    "ImageSource",
    "ImageUnlocated",
    "Item",
    "Items",
    "Judgement",
    "Label",
    "Relevant",
    "Skipped",
    "is_remembered",
    "item_from_pocket",
    "items_fingerprint",
    "judge",
    "judge_choice",
    "normalise",
    "read_items",
    "remembered",
    "split_items",
    "valid_answers",
    "write_items",
]
