"""What blocking heads takes: of the following above chance, and of the plain abilities, with intervals over items."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from numpy import ndarray

from trimtab.modalities import MODALITIES, Modality
from trimtab.studies.kit.records import Record, grouped
from trimtab.studies.kit.statistics import CONFIDENCE, DRAWS, MeanInterval, paired_difference, unseen_share


def following_lost(rows: Sequence[Record], modalities: Sequence[Modality], seed: int = 0) -> list[Record]:
    """Say what share of the following above chance is lost when heads are blocked.

    Args:
        rows: Answers to test items.
        modalities: Those that the items set against each other.
        seed: Seed of the bootstrap.

    Returns:
        ``condition, items, lost`` with its interval, for ``blocked`` and for each random set; the intervals of the
        random sets hold together. None where the intact model does not follow above chance.
    """
    rates = {
        condition: {item: float(np.mean([r["correct"] for r in own])) for (item,), own in grouped(part, "id")}
        for (condition,), part in grouped((r for r in rows if r["measure"] in MODALITIES), "condition")
    }
    drawn = [name for name in rates if is_random_set(name)]
    intact, found = np.array([*rates["intact"].values()]), []
    for name in ("blocked", *drawn):
        blocked = np.array([rates[name][item] for item in rates["intact"]])
        lost = share_lost(intact, blocked, 1 / len(modalities), seed, 1 if name == "blocked" else len(drawn))
        ends = dict(zip(("lost", "lost_low", "lost_high"), lost or (None, None, None), strict=True))
        found.append({"condition": name, "items": len(intact), **ends})
    return found


def is_random_set(condition: str) -> bool:
    """Whether a condition blocks a random set of heads."""
    return condition.startswith("random ") and condition.removeprefix("random ").isdigit()


def share_lost(
    intact: Float[ndarray, " items"],
    blocked: Float[ndarray, " items"],
    chance: float,
    seed: int = 0,
    comparisons: int = 1,
) -> MeanInterval | None:
    """Return what share of the following above chance is lost, with its bootstrap interval over items.

    Where all items are equal, the interval holds the shares that are possible with the largest share of other items
    that would not show in so many. There is none where that the intact model follows above chance is not shown; and
    no share where it does not.

    Args:
        intact: The share of its instructions under which the intact model follows, item by item.
        blocked: The same with heads blocked.
        chance: The following rate that is chance.
        seed: Seed of the bootstrap.
        comparisons: How many intervals are to hold together.
    """
    n, drop, above = len(intact), intact - blocked, intact - chance
    if above.mean() <= 0:
        return None
    value = float(drop.mean() / above.mean())
    if np.ptp(drop) == np.ptp(above) == 0:
        left, unseen = 1 - unseen_share(n, comparisons), unseen_share(n, comparisons)
        # The others gain all, and never follow intact; or they lose all, and always follow.
        most, least = left * above[0] + unseen * (1 - chance), left * above[0] - unseen * chance
        if least <= 0:
            return MeanInterval(value, None, None)
        return MeanInterval(value, (left * drop[0] - unseen) / least, (left * drop[0] + unseen) / most)
    places = np.random.default_rng(seed).integers(0, n, (DRAWS, n))
    drops, aboves = drop[places].mean(axis=1), above[places].mean(axis=1)
    tail = (1 - CONFIDENCE) / 2 / comparisons
    if np.quantile(aboves, tail) <= 0:
        return MeanInterval(value, None, None)
    shares = np.divide(drops, aboves, out=np.full(DRAWS, np.inf), where=aboves > 0)
    low, high = np.quantile(shares, [tail, 1 - tail])
    return MeanInterval(value, float(low), float(high))


def ability_changes(rows: Sequence[Record], measures: Sequence[str], condition: str = "blocked") -> list[Record]:
    """Compare plain abilities with those of the intact model, by intervals that hold for all of them together.

    Args:
        rows: Answers to test items.
        measures: The abilities.
        condition: What is compared.

    Returns:
        ``measure, n, difference, low, high``.
    """
    right = {(r["condition"], r["measure"], r["id"]): r["correct"] for r in rows}
    found = []
    for measure in measures:
        ids = [r["id"] for r in rows if (r["condition"], r["measure"]) == (condition, measure)]
        after, before = ([right[name, measure, i] for i in ids] for name in (condition, "intact"))
        change = paired_difference(after, before, comparisons=len(measures))
        ends = {"difference": change.difference, "low": change.low, "high": change.high}
        found.append({"measure": measure, "n": len(ids), **ends})
    return found
