"""Items, readers and writers for them, and answer matching."""

from trimtab.items.answers import Judgement, Label, judge, valid_answers
from trimtab.items.choices import judge_choice
from trimtab.items.clusters import cluster_of
from trimtab.items.evidence import Evidence
from trimtab.items.inspecting import Finding, inspect_items
from trimtab.items.item import Item, Items, Skipped, items_fingerprint
from trimtab.items.memory import is_remembered, remembered
from trimtab.items.readers import files_of, item_from_pocket, read_items
from trimtab.items.relevance import RELEVANT, Relevant, relevant_name, relevant_of
from trimtab.items.sources import ImageScene, MediaBytes, MediaFile, MediaHeld, MediaSource, MediaUnlocated
from trimtab.items.splits import split_items, split_overlap
from trimtab.items.words import normalise
from trimtab.items.writers import write_items

__all__ = [
    "RELEVANT",
    "Evidence",
    "Finding",
    "ImageScene",
    "Item",
    "Items",
    "Judgement",
    "Label",
    "MediaBytes",
    "MediaFile",
    "MediaHeld",
    "MediaSource",
    "MediaUnlocated",
    "Relevant",
    "Skipped",
    "cluster_of",
    "files_of",
    "inspect_items",
    "is_remembered",
    "item_from_pocket",
    "items_fingerprint",
    "judge",
    "judge_choice",
    "normalise",
    "read_items",
    "relevant_name",
    "relevant_of",
    "remembered",
    "split_items",
    "split_overlap",
    "valid_answers",
    "write_items",
]
