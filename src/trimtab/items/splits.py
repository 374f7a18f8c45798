"""Splitting items without leakage: items that share a picture stay together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from trimtab.errors import UsageError
from trimtab.items.item import Item, Items


def split_items(
    items: Iterable[Item],
    fractions: Mapping[str, float],
    seed: int = 0,
    by: Literal["image", "item"] = "image",
) -> dict[str, Items]:
    """Split items by given fractions, each task in the same proportions as far as pictures allow.

    The same items, fractions and seed give the same splits, in every process and whatever the items' order.

    Args:
        items: What to split.
        fractions: Share of each split by its name, such as ``{"train": 0.8, "test": 0.2}``; they sum to 1.
        seed: Chooses among the many such splits.
        by: ``image`` keeps items of one picture in one split; ``item`` lets them part.

    Returns:
        The items of each split, in their order, with ``split`` set.

    Raises:
        UsageError: The fractions are not positive or do not sum to 1, ``by`` is unknown, or a split is empty.
    """
    _check(fractions, by)
    rows = list(items)
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(rows):
        groups.setdefault(_group_of(item, by), []).append(index)
    chosen = _assign(groups, rows, fractions, seed)
    splits = {name: Items() for name in fractions}
    for item, name in zip(rows, chosen, strict=True):
        splits[name].append(replace(item, split=name))
    empty = [name for name, members in splits.items() if not members]
    if empty:
        raise UsageError(
            f"fractions of split_items must leave no split empty; '{empty[0]}' would be, with {len(groups)} "
            f"groups of items; give more items or a larger fraction than {fractions[empty[0]]}."
        )
    return splits


def _check(fractions: Mapping[str, float], by: str) -> None:
    if by not in ("image", "item"):
        raise UsageError(f"by of split_items must be 'image' or 'item'; it is '{by}'.")
    total = sum(fractions.values())
    if not all(share > 0 for share in fractions.values()) or not math.isclose(total, 1):
        raise UsageError(
            f"fractions of split_items must be positive and sum to 1; they are {dict(fractions)}, "
            f"which sum to {total:g}."
        )


def _group_of(item: Item, by: str) -> str:
    if by == "image" and item.image is not None:
        return f"image {item.image.fingerprint}"
    return f"item {item.id}"


def _assign(
    groups: Mapping[str, list[int]], items: Sequence[Item], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """The split of each item: groups, largest first, go where their tasks are most behind their share."""
    tasks = Counter(item.task for item in items)
    behind = {name: {task: share * tasks[task] for task in tasks} for name, share in fractions.items()}
    chosen = [""] * len(items)
    for key in sorted(groups, key=lambda key: (-len(groups[key]), _draw(seed, key))):
        group_tasks = [items[index].task for index in groups[key]]
        name = max(fractions, key=lambda name: _need(behind[name], group_tasks))
        for index in groups[key]:
            chosen[index] = name
            behind[name][items[index].task] -= 1
    return chosen


def _need(behind: Mapping[str, float], tasks: Sequence[str]) -> tuple[float, float]:
    """How far a split is behind in some tasks; then, to break ties, in all of them."""
    # Rounded, so that the last bits of a float sum do not decide a tie.
    return round(sum(behind[task] for task in tasks), 9), round(sum(behind.values()), 9)


def _draw(seed: int, key: str) -> str:
    """A place in a random order that depends on nothing but the seed and the key."""
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
