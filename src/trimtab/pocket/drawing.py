"""The items of the bundled benchmark, of every kind."""

from __future__ import annotations

import random

from trimtab.errors import UsageError
from trimtab.pocket.benchmark import SPLITS, TASKS, PocketItem, draw
from trimtab.pocket.unimodal import DRAWERS


def items(split: str, seed: int = 0, kind: str = "conflict") -> list[PocketItem]:
    """Draw the items of a split; the same arguments always give the same items.

    Args:
        split: "train", "validation" or "test".
        seed: Another seed gives other items of the same split.
        kind: "conflict" (MC2's eight tasks), or what interference needs: "classification" (the image
            matters), "closed_book" (neither matters, the model must know) or "both".

    Returns:
        250 items a task (validation: 100), in turn by task; for the other kinds as many as for two tasks.
    """
    if split not in SPLITS:
        raise UsageError(f"`split` of pocket items must be one of {', '.join(SPLITS)}; got {split!r}.")
    rng = random.Random(f"{kind}:{split}:{seed}")
    if kind == "conflict":
        return [draw(task, split, rng, number) for number in range(SPLITS[split]) for task in TASKS]
    if kind not in DRAWERS:
        raise UsageError(f"`kind` of pocket items must be conflict, {', '.join(DRAWERS)}; got {kind!r}.")
    return [DRAWERS[kind](split, rng, number) for number in range(2 * SPLITS[split])]
