"""What the columns of a table of answers mean, whatever kind of study wrote it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from trimtab.contribution.scores import RATIO, SHARE, SYNERGY
from trimtab.modalities import MODALITIES

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool

    from trimtab.viewing.rows import Rows

IDS = ("id", "item_id")
"""Columns that name an item; a table has one of them."""
CONDITION = ("kind", "model", "way", "scoring", "condition", "method", "target", "protocol", "instruction")
"""Columns of words that tell one condition from another, in the order of a page."""
STRENGTH, SEED, CHOSEN, COLLAPSED = "strength", "seed", "chosen", "collapsed"
CLUSTER = "cluster"
"""Column that names what an item is about, where several are about the same thing."""
FLAGS = ("label", "right", "correct", COLLAPSED, "changed", "harmful", "helpful", "relevant", CHOSEN, STRENGTH, SEED)
"""Further columns with few values, to choose items by."""
MEASURED = (RATIO, *(SHARE.format(name) for name in MODALITIES), SYNERGY)
"""Columns of contributions, in the order of a page."""
OUTCOMES: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (("label", "target"), "follows the target", "following rate"),
    (("right",), "is right", "accuracy"),
    (("correct",), "is right", "accuracy"),
    ((RATIO,), "leans on the image", "share of answers that lean on the image"),
)
"""What can be counted of rows: the columns that say it, what a row then does, and what its rate is called."""
EVEN = 0.5
"""The visual ratio of an answer that image and text have an equal part in."""


@dataclass(frozen=True)
class Meaning:
    """What a table's rows are.

    Attributes:
        item: The column that names a row's item.
        condition: The columns that tell one condition from another, but for strength and seed.
        choices: Columns with few values, to choose rows by.
        measured: The columns of contributions.
        holds: What a row's outcome is called, such as ``follows the target``; empty if rows have none.
        rate: What the share of rows with it is called.
        outcome: Columns that the outcome is read from.
        altered: Whether rows are of items with something of them changed, so that their pictures may differ.
    """

    item: str
    condition: tuple[str, ...]
    choices: tuple[str, ...]
    measured: tuple[str, ...]
    holds: str
    rate: str
    outcome: tuple[str, ...]
    altered: bool


def meaning_of(columns: Sequence[str]) -> Meaning | None:
    """Return what a table with some columns means; None if it names no items."""
    item = next((name for name in IDS if name in columns), None)
    if item is None:
        return None
    measured = tuple(name for name in MEASURED if name in columns)
    known = (one for one in OUTCOMES if all(name in columns for name in one[0]))
    outcome, holds, rate = next(known, ((), "", ""))
    # What a contribution was measured with tells no answers apart, where there are answers.
    kept = [name for name in CONDITION if name in columns and not (name == "instruction" and outcome != (RATIO,))]
    choices = [name for name in ("task", *CONDITION, *FLAGS) if name in columns]
    altered = "condition" in columns or "right" in columns
    return Meaning(item, tuple(kept), tuple(choices), measured, holds, rate, outcome, altered)


def outcomes(rows: Rows, meaning: Meaning) -> tuple[Bool[np.ndarray, " rows"], Bool[np.ndarray, " rows"]]:
    """Return of each row whether its outcome holds, and whether it has one; a ratio may be missing."""
    import numpy as np

    read: dict[tuple[str, ...], Callable[..., np.ndarray]] = {
        ("label", "target"): lambda label, target: label == target,
        (RATIO,): lambda ratio: ratio > EVEN,
    }
    values = [rows.values(name) for name in meaning.outcome]
    known = np.array([one is not None for one in values[0]]) if values[0].dtype == object else ~np.isnan(values[0])
    if meaning.outcome in read:
        return read[meaning.outcome](*values).astype(bool), known
    return np.where(known, values[0], False).astype(bool), known  # noqa: FBT003
