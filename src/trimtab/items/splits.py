"""Splitting items without leakage: items that share a picture, a sound or a clip stay together."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Literal

from trimtab.errors import UsageError
from trimtab.items.item import Item, Items
from trimtab.items.words import normalise
from trimtab.modalities import SHOWN


def split_items(
    items: Iterable[Item],
    fractions: Mapping[str, float],
    seed: int = 0,
    by: Literal["evidence", "item"] = "evidence",
) -> dict[str, Items]:
    """Split items by given fractions, each task in the same proportions as far as what they share allows.

    The same items, fractions and seed give the same splits, in every process and whatever the items' order.

    Args:
        items: What to split.
        fractions: Share of each split by its name, such as ``{"train": 0.8, "test": 0.2}``; they sum to 1.
        seed: Chooses among the many such splits.
        by: ``evidence`` keeps items that show the same picture, sound or clip in one split; ``item`` lets them part.

    Returns:
        The items of each split, in their order, with ``split`` set.

    Raises:
        UsageError: The fractions are not positive or do not sum to 1, ``by`` is unknown, or a split is empty.
    """
    _check(fractions, by)
    rows = list(items)
    groups = _groups([_shown(item) if by == "evidence" else [f"item {item.id}"] for item in rows])
    chosen = _assign(groups, rows, fractions, seed)
    splits = {name: Items() for name in fractions}
    for item, name in zip(rows, chosen, strict=True):
        splits[name].append(item.replace(split=name))
    empty = [name for name, members in splits.items() if not members]
    if empty:
        raise UsageError(
            f"fractions of split_items must leave no split empty; '{empty[0]}' would be, with {len(groups)} "
            f"groups of items; give more items or a larger fraction than {fractions[empty[0]]}."
        )
    return splits


def split_overlap(items: Iterable[Item], seen: Iterable[Item]) -> dict[str, float]:
    """Return how much of some items, such as a test split, occurs among others, such as the training items.

    Texts are compared in the form in which answers are. What two items show is compared by ``split_items``, which
    keeps equal pictures, sounds and clips together.

    Args:
        items: The items to look at; at least one.
        seen: The others.

    Returns:
        The share of the items whose ``question``, ``context``, ``answers`` or ``question and answers`` occur there. An
        item's answers are those of its modalities in their order; ``in any order``, a swap occurs, too.

    Raises:
        UsageError: There is no item.
    """
    here, there = ([_compared(item) for item in part] for part in (items, seen))
    if not here:
        raise UsageError("`items` of split_overlap must hold at least one item; got none.")
    known = {name: {one[name] for one in there} - {""} for name in here[0]}
    return {name: sum(one[name] in known[name] for one in here) / len(here) for name in here[0]}


def _compared(item: Item) -> dict[str, object]:
    question, answers = normalise(item.question), tuple(normalise(item.answer_of(side)) for side in item.modalities)
    unordered = frozenset(answers)
    return {
        "question": question,
        "context": normalise(item.context),
        "answers": answers,
        "answers in any order": unordered,
        "question and answers": (question, answers),
        "question and answers in any order": (question, unordered),
    }


def _check(fractions: Mapping[str, float], by: str) -> None:
    if by not in ("evidence", "item"):
        raise UsageError(f"by of split_items must be 'evidence' or 'item'; it is '{by}'.")
    if not isinstance(fractions, Mapping) or not all(isinstance(one, Real) for one in fractions.values()):
        raise UsageError(
            f"fractions of split_items must be shares by name, such as {{'train': 0.8, ...}}; got {fractions!r:.100}."
        )
    total = sum(fractions.values())
    if not all(share > 0 for share in fractions.values()) or not math.isclose(total, 1):
        raise UsageError(
            f"fractions of split_items must be positive and sum to 1; they are {dict(fractions)}, "
            f"which sum to {total:g}."
        )


def _groups(keys: Sequence[Sequence[str]]) -> dict[str, list[int]]:
    """The places of items that must stay together, since they share a key or are joined by others that do."""
    group_of: dict[str, set[str]] = {}
    for own in keys:
        joined = set().union(*(group_of.get(key, {key}) for key in own))
        group_of.update(dict.fromkeys(joined, joined))
    groups: dict[str, list[int]] = {}
    for place, own in enumerate(keys):
        groups.setdefault(" ".join(sorted(group_of[own[0]])), []).append(place)
    return groups


def _shown(item: Item) -> list[str]:
    """What an item shows that another may show as well; its own id if that is nothing."""
    sources = {name: item.source_of(name) for name in SHOWN}
    return [f"{name} {one.fingerprint}" for name, one in sources.items() if one is not None] or [f"item {item.id}"]


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


def _need(behind: Mapping[str, float], tasks: Sequence[str]) -> tuple[int, float]:
    """How many whole items a split is behind in some tasks; then, to break ties, how far in all of them.

    Parts of an item do not count at first: in a task of few items the largest split would be ahead each time.
    """
    # Rounded, so that the last bits of a float sum do not decide.
    return sum(math.floor(round(behind[task], 9)) for task in tasks), round(sum(behind.values()), 9)


def _draw(seed: int, key: str) -> str:
    """A place in a random order that depends on nothing but the seed and the key."""
    return hashlib.sha256(f"{seed} {key}".encode()).hexdigest()
