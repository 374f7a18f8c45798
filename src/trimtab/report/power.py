"""What differences a table could show at all, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median
from typing import Any

from trimtab.studies.kit.statistics import likely_shown, smallest_shown

Rows = Sequence[dict[str, Any]]


def paired_power(rows: Rows) -> str:
    """Say what paired comparisons could show, corrected within the largest family of a method and its baseline."""
    if not rows:
        return ""
    comparisons = max(Counter((r["method"], r["baseline"]) for r in rows).values())
    flips = [(r["method_only"] + r["baseline_only"]) / r["n"] for r in rows]
    return power_note(min(r["n"] for r in rows), comparisons, median(flips))


def control_power(rows: Rows) -> str:
    """Say what comparisons of controls with the unsteered answers could show, corrected within a method."""
    steered = [r for r in rows if r["method"] != "none"]
    if not steered:
        return ""
    comparisons = max(Counter(r["method"] for r in steered).values())
    flips = [(r["lost"] + r["gained"]) / r["n"] for r in steered]
    return power_note(min(r["n"] for r in steered), comparisons, median(flips))


def power_note(items: int, comparisons: int, discordant: float) -> str:
    """Say which differences a paired comparison can and will probably show.

    Args:
        items: Items that are compared; of several tables, the fewest.
        comparisons: How many comparisons are corrected together.
        discordant: Share of the items in which two conditions differ, as observed.
    """
    least, likely = smallest_shown(items, comparisons), likely_shown(items, discordant, comparisons)
    of = f"{items} items and {_counted(comparisons)}"
    if least is None:
        return f"With {of}, no difference can be shown: there are too few items."
    text = f"With {of}, a difference below {100 * least:.1f} points cannot be shown after correction"
    if likely is None:
        return f"{text}, and none is shown with a probability of 80 %."
    flips = f"if {100 * discordant:.0f} % of the answers differ, the median here"
    return f"{text}; one of {100 * likely:.0f} points is shown with a probability of 80 %, {flips}."


def _counted(comparisons: int) -> str:
    return "one comparison" if comparisons == 1 else f"{comparisons} comparisons corrected together"
