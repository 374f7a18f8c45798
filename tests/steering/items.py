"""Conflict items for steering tests."""

from tests.contribution.items import conflict_items
from trimtab.items import Item


def train_items() -> list[Item]:
    return conflict_items(6)


def held_out_items() -> list[Item]:
    """Items of unlike lengths, so that a batch of them is padded."""
    return conflict_items(3)
