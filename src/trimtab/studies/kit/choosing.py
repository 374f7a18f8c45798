"""Choose items for a study: at random, balanced over tasks, whatever order they come in."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

from trimtab.items import Item, Items


def choose_items(items: Iterable[Item], n: int, seed: int) -> Items:
    """Choose items at random, as many of each task as possible.

    They come task by task in turn, so the first few of them are as balanced as all of them. The choice depends
    on ids and seed alone, not on the order of ``items``.

    Args:
        items: What to choose from.
        n: How many; all, if there are fewer.
        seed: Chooses among the many such choices.
    """
    by_task: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_task[item.task].append(item)
    ranked = []
    for task, members in by_task.items():
        members.sort(key=lambda item: hashlib.sha256(f"{seed} {item.id}".encode()).hexdigest())
        ranked += [(place, task, item) for place, item in enumerate(members)]
    ranked.sort(key=lambda entry: entry[:2])
    return Items((item for _, _, item in ranked[:n]), getattr(items, "skipped", ()))
