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


def oracle_power(rows: Rows) -> str:
    """Say what differences between columns of the table of oracles could be shown, each method's rows together."""
    if not rows:
        return ""
    comparisons = max(Counter(r["method"] for r in rows).values())
    # The oracle follows wherever the best single strength does, so their rates differ by the items that differ.
    flips = [r["following"] - r["best_fixed"] for r in rows]
    return power_note(min(r["n"] for r in rows), comparisons, median(flips))


def curve_power(rows: Rows, names: Sequence[str], unit: str, digits: int = 2) -> str:
    """Say what curves with bands could show: an effect that is smaller than half a band is not told from none.

    Args:
        rows: A row for each layer of each curve.
        names: What is averaged; each has its band in ``_low`` and ``_high``.
        unit: What it is counted in.
        digits: How many of them are significant.
    """
    if not rows:
        return ""
    bands = [(row[f"{name}_low"], row[f"{name}_high"]) for row in rows for name in names]
    halves = sorted((high - low) / 2 for low, high in bands if low is not None)
    if not halves:
        return "No curve has a band, so none could have shown an effect."
    least, middle, most = (f"{value:.{digits}g}" for value in (halves[0], median(halves), halves[-1]))
    text = f"Half a band is {middle} {unit} in the median of all curves and layers ({least} to {most})"
    return f"{text}: a smaller effect could not have been shown there."


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
