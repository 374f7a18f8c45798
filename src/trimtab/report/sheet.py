"""A page of sample items, to see what is being asked."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trimtab.errors import UsageError
from trimtab.report.style import MODALITY_COLOURS, QUIET, figure_style, task_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from trimtab.items import Item

COLUMNS = 4
CONTEXT_LINES = 7


def sample_sheet(items: Sequence[Item]) -> Figure:
    """Draw items as cards: picture, question, both answers, context.

    Raises:
        UsageError: There is no item.
        DataError: A picture cannot be read.
    """
    if not items:
        raise UsageError("`items` of sample_sheet must hold at least one item; got none.")
    rows = -(-len(items) // COLUMNS)
    with figure_style() as new_figure:
        figure = new_figure(figsize=(3.1 * COLUMNS, 3.9 * rows), layout="constrained")
        panels = figure.subplots(2 * rows, COLUMNS, squeeze=False, height_ratios=[1.35, 1] * rows)
        for panel in panels.flat:
            panel.axis("off")
        for place, item in enumerate(items):
            row, column = 2 * (place // COLUMNS), place % COLUMNS
            _picture(panels[row, column], item)
            _words(panels[row + 1, column], item)
    return figure


def _picture(panel: Axes, item: Item) -> None:
    if item.image is not None:
        panel.imshow(item.image.open(), interpolation="nearest")
    panel.set_title(task_name(item.task), color=QUIET, fontsize=9)


def _words(panel: Axes, item: Item) -> None:
    lines = textwrap.wrap(item.context, 48, max_lines=CONTEXT_LINES, placeholder=" …")
    question = textwrap.fill(item.question, 42, max_lines=2, placeholder=" …")
    drop = 0.12 * question.count("\n")
    panel.text(0, 1.0, question, va="top", fontsize=9, fontweight="bold")
    panel.text(0, 0.85 - drop, f"image: {item.answer_image}", va="top", color=MODALITY_COLOURS["image"])
    panel.text(0, 0.73 - drop, f"text: {item.answer_text}", va="top", color="#A86F00")
    panel.text(0, 0.59 - drop, "\n".join(lines), va="top", fontsize=7.5, color=QUIET)
