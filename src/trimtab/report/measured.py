"""Figures of one measurement: visual ratios by task, their spread, and traces along an answer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trimtab.errors import RunFolderError
from trimtab.modalities import PAIR, Modality
from trimtab.report.style import INK, MODALITY_COLOURS, QUIET, figure_style, task_name
from trimtab.studies import ALL_TASKS, share_columns
from trimtab.studies.kit.run_folder import ITEMS

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trimtab.contribution import AnswerTrace, Contributions

WIDTH = 9.6
"""Inches."""


def read_contributions(run: Path) -> Contributions:
    """Read the contributions of a finished measurement.

    Raises:
        RunFolderError: Their file is missing or broken.
    """
    from pandas import read_parquet

    from trimtab.contribution import Contributions

    try:
        rows = read_parquet(run / ITEMS)
    except (OSError, ValueError) as error:
        raise RunFolderError(
            f"`run` must hold the {ITEMS} of a measurement; that of {run} cannot be read ({error}); measure again."
        ) from error
    return Contributions.from_rows(rows.to_dict("records"))  # pyright: ignore[reportArgumentType]


FEWEST = 5
"""Items below which no interval is shown: a bootstrap of so few answers reads as surer than anything is."""


def mean_interval(row: dict[str, Any], name: str) -> str:
    """Write the 95 % interval of a mean of ``contribution_rates``; too few items have none."""
    if row["n"] < FEWEST:
        return "too few items"
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "none" if low is None else f"{low:.3f} to {high:.3f}"


def neither_line(counts: dict[str, int]) -> str:
    """Say how many answers to conflict items are none of the modalities', whose shares then are of wrong answers."""
    if not (total := sum(counts.values())):
        return ""
    neither = counts.get("other", 0)
    said = f"{neither} of {total} answers are none of the answers that the modalities support"
    return f"{said}; shares of these say little. `trimtab view` shows single answers." if neither else f"{said}."


def measured_in_brief(rows: list[dict[str, Any]], modalities: tuple[Modality, ...]) -> str:
    """Say which modality the answers rely on, where the interval of all items' mean tells; few items are no finding."""
    whole = next((row for row in rows if row["task"] == ALL_TASKS), None)
    if whole is None or len(modalities) != 2:
        return ""
    name = next(column for column in share_columns(modalities))
    first, second = modalities
    said = f"On average the {first} has {100 * whole[name]:.0f} % of what {first} and {second} add to the answer"
    low, high = whole[f"{name}_low"], whole[f"{name}_high"]
    if low is None or whole["n"] < FEWEST:
        return f"{said}; {whole['n']} items are too few to say how sure that is."
    said = f"{said} (95 % interval {100 * low:.0f} to {100 * high:.0f}, {whole['n']} items)"
    if low <= 0.5 <= high:
        return f"{said}: neither is shown to weigh more."
    return f"{said}: the {first if low > 0.5 else second} weighs more."


def ratio_figure(found: Contributions, modality: Modality = "image") -> Figure:
    """Draw a modality's share of each item, task by task, with their means (Figure 4 of AMPS).

    Args:
        found: The contributions.
        modality: The modality; of image and text, the image's share is the visual ratio.
    """
    name = "visual ratio" if all(c.modalities == PAIR for c in found) else f"share of the {modality}"
    tasks = [*sorted({c.task for c in found}), ALL_TASKS]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.9 + 0.42 * len(tasks)), layout="constrained")
        panel = figure.subplots()
        chance = np.random.default_rng(0)
        for place, task in enumerate(reversed(tasks)):
            shares = [c.shares.get(modality, np.nan) for c in found if task in (c.task, ALL_TASKS)]
            ratios = [share for share in shares if not np.isnan(share)]
            if ratios:
                height = place + chance.uniform(-0.22, 0.22, len(ratios))
                panel.plot(ratios, height, "o", color=MODALITY_COLOURS[modality], alpha=0.35, markersize=3)
                panel.plot(np.mean(ratios), place, "D", color=INK, markersize=6)
        panel.set_yticks(range(len(tasks)), [task_name(t) for t in reversed(tasks)])
        panel.set_xlim(0, 1)
        panel.axvline(0.5, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
        panel.set_xlabel(f"{name}: items (dots) and their mean")
    return figure


def trace_figure(found: AnswerTrace) -> Figure:
    """Draw the visual ratio along an answer, token by token."""
    with figure_style() as new_figure:
        figure = new_figure(figsize=(max(3.2, 0.9 + 0.8 * len(found.tokens)), 2.6), layout="constrained")
        panel = figure.subplots()
        places = range(len(found.tokens))
        bottom = np.zeros(len(found.tokens))
        for modality in found.modalities:
            shares = found.shares(modality)
            panel.bar(places, shares, bottom=bottom, width=0.7, color=MODALITY_COLOURS.get(modality), label=modality)
            bottom += shares
        panel.set_xticks(places, [_label(token) for token in found.tokens])
        panel.set_ylim(0, 1)
        panel.set_ylabel("share of contribution")
        panel.set_title(f"item {found.item_id}")
        figure.legend(*panel.get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


def _label(token: str) -> str:
    """Write a token so that a figure can show it: control characters by their codes, a dollar not as mathematics."""
    shown = "".join(c if c.isprintable() else ascii(c)[1:-1] for c in token)
    return shown.replace("$", r"\$")
