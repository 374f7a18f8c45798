"""Names and colours that every table and figure shares."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trimtab.modalities import FACTS

if TYPE_CHECKING:
    from matplotlib.axis import Axis

MODALITY_COLOURS = {
    "none": "#9A9A9A",
    **{name: facts.colour for name, facts in FACTS.items()},
    "both": "#009E73",
}
"""By modality, and by none and both of a pair."""
INK, QUIET, RULE = "#1C2430", "#5B6675", "#D9DEE5"


def task_name(task: str) -> str:
    """Return a task's name as a heading, short enough for a column."""
    words = task.removesuffix("_recognition").removesuffix("_reasoning").removesuffix("_understanding")
    return words.replace("_", " ")


LEAST_RANGE = 0.1
"""A narrower axis of shares would tell apart what whole percents do not."""


def percent_axis(axis: Axis) -> None:
    """Write the ticks of an axis of shares in whole percent, and show nothing below 0 or above 100 %.

    Call it when everything is drawn: it fixes the limits.
    """
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    panel = axis.axes
    read, put = (panel.get_xlim, panel.set_xlim) if axis is panel.xaxis else (panel.get_ylim, panel.set_ylim)
    low, high = read()
    if low < 0 or high > 1 or high - low < LEAST_RANGE:
        low, high = max(low, 0.0), min(high, 1.0)
        middle = min(max((low + high) / 2, LEAST_RANGE / 2), 1 - LEAST_RANGE / 2)
        low, high = min(low, middle - LEAST_RANGE / 2), max(high, middle + LEAST_RANGE / 2)
        rim = 0.04 * (high - low)  # less than a tick, so that none is beyond
        put(low - rim, high + rim)
    axis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axis.set_major_formatter(PercentFormatter(1.0, decimals=0))


@contextmanager
def figure_style() -> Iterator[Any]:
    """Use trimtab's figure style and a canvas that needs no display; yields ``matplotlib.figure.Figure``."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    settings = {
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "font.size": 9,
        "axes.titlesize": 10,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.labelcolor": QUIET,
        "axes.edgecolor": RULE,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.grid.axis": "y",
        "axes.axisbelow": True,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "text.color": INK,
        "xtick.color": QUIET,
        "ytick.color": QUIET,
        "xtick.major.size": 0,
        "ytick.major.size": 0,
        "legend.frameon": False,
        "text.parse_math": False,  # users' names may hold a $
        "figure.facecolor": "white",
        "savefig.dpi": 180,
    }
    with rc_context(settings):  # pyright: ignore[reportArgumentType]
        yield Figure


def legend_entries(panels: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Return the handles and labels of all curves in some panels, each label once; a panel may lack some, or all."""
    found: dict[str, Any] = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return list(found.values()), list(found)
