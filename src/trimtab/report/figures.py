"""The report's figures, drawn from a summary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from trimtab.report.methods import method_colour, method_name
from trimtab.report.style import (
    INK,
    MODALITY_COLOURS,
    QUIET,
    figure_style,
    percent_axis,
    task_name,
)
from trimtab.report.tables import SIGNIFICANCE
from trimtab.studies import ALL_TASKS, SWEPT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Summary = dict[str, Any]
WIDTH = 9.6
"""Inches; the page shows it at its full width."""


def contribution_figure(summary: Summary, name: str = "ratio") -> Figure:
    """Draw a share by task and instruction, a panel for each model (Figure 4 of AMPS).

    Args:
        summary: The study's summary.
        name: Which: ``ratio``, the image's of image and text; or, of other modalities, such as ``share_audio``.
    """
    models = [m for m in summary["models"] if any(r["model"] == m for r in summary["contribution"])]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.5 + 2.3 * len(models)), layout="constrained")
        panels = figure.subplots(len(models), 1, squeeze=False)[:, 0]
        for panel, model in zip(panels, models, strict=True):
            _contribution_panel(panel, model, [r for r in summary["contribution"] if r["model"] == model], name)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), fontsize=9)
    return figure


def _contribution_panel(panel: Axes, model: str, rows: Sequence[dict[str, Any]], name: str) -> None:
    tasks = _tasks(rows)
    places = {task: i + (0.4 if task == ALL_TASKS else 0.0) for i, task in enumerate(tasks)}
    instructions = list(dict.fromkeys(r["instruction"] for r in rows))
    width = 0.8 / len(instructions)
    for number, instruction in enumerate(instructions):
        chosen = [r for r in rows if r["instruction"] == instruction]
        shift = (number - (len(instructions) - 1) / 2) * width
        panel.bar(
            [places[r["task"]] + shift for r in chosen],
            [r[name] for r in chosen],
            width=width * 0.92,
            color=MODALITY_COLOURS[instruction],
            label="no instruction" if instruction == "none" else f"instruction: {instruction}",
        )
        panel.errorbar(
            [places[r["task"]] + shift for r in chosen],
            [r[name] for r in chosen],
            yerr=[
                [max(0.0, r[name] - r[f"{name}_low"]) for r in chosen],
                [max(0.0, r[f"{name}_high"] - r[name]) for r in chosen],
            ],
            fmt="none",
            ecolor=INK,
            elinewidth=0.8,
        )
    panel.set_xticks(list(places.values()), [task_name(t) for t in places])
    panel.set_ylim(0, 1)
    panel.axhline(0.5, color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
    panel.set_ylabel("visual ratio" if name == "ratio" else f"share of the {name.removeprefix('share_')}")
    panel.set_title(model)


def strength_figure(summary: Summary, model: str) -> Figure:
    """Draw following and collapse rate against strength for each target (Figures 1 and 6 of AMPS)."""
    rows = [r for r in summary["sweep"] if r["model"] == model]
    targets = list(dict.fromkeys(r["target"] for r in rows))
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 4.6), layout="constrained")
        panels = figure.subplots(2, len(targets), sharex="col", sharey="row", squeeze=False, height_ratios=[2.4, 1])
        for column, target in enumerate(targets):
            chosen = [r for r in rows if r["target"] == target]
            _curves(panels[0, column], chosen, "following")
            _curves(panels[1, column], chosen, "collapse")
            panels[0, column].set_title(f"target: {target}")
            panels[1, column].set_xlabel("strength")
        panels[0, 0].set_ylabel("following rate")
        panels[1, 0].set_ylabel("collapse rate")
    return figure


def _curves(panel: Axes, rows: Sequence[dict[str, Any]], rate: str) -> None:
    labels: list[tuple[float, str, str]] = []
    start = next((r for r in rows if r["method"] == "none"), None)
    for method in dict.fromkeys(r["method"] for r in rows):
        points = sorted((r for r in rows if r["method"] == method), key=lambda r: r["strength"])
        colour = method_colour(method)
        if len(points) == 1:
            panel.axhline(points[0][rate], color=colour, linewidth=1.1, linestyle=(0, (5, 3)))
        else:
            line = [*([start] if start else []), *points]
            at = [0.0 if p is start else p["strength"] for p in line]
            panel.plot(at, [p[rate] for p in line], color=colour, linewidth=1.8, marker="o", markersize=3)
            if rate == "following":
                low, high = [p["following_low"] for p in line], [p["following_high"] for p in line]
                panel.fill_between(at, low, high, color=colour, alpha=0.14, linewidth=0)
            for p in points:
                if p["chosen"]:
                    panel.plot(
                        p["strength"], p[rate], "o", color="white", markeredgecolor=colour, markersize=7, clip_on=False
                    )
        labels.append((points[-1][rate], method_name(method), colour))
    panel.set_ylim(0, 1)
    panel.set_xlim(left=0)
    percent_axis(panel.yaxis)
    if rate == "following":
        _label_ends(panel, labels)


def _label_ends(panel: Axes, labels: list[tuple[float, str, str]]) -> None:
    """Write each line's name at its right end, moved apart where lines end together."""
    ordered = sorted(labels)
    places = _spread([value for value, _, _ in ordered])
    for place, (_, name, colour) in zip(places, ordered, strict=True):
        panel.annotate(
            name,
            (1.02, place),
            xycoords="axes fraction",
            color=colour,
            va="center",
            fontsize=9,
            fontweight="bold",
            annotation_clip=False,
        )


def _spread(places: list[float], gap: float = 0.065) -> list[float]:
    """Move ascending places of 0..1 as little as needed to be a gap apart."""
    spread = list(places)
    for _ in range(200):  # each round moves neighbours that are too close half of what they lack
        for i in range(len(spread) - 1):
            lack = gap - (spread[i + 1] - spread[i])
            if lack > 1e-6:
                spread[i], spread[i + 1] = spread[i] - lack / 2, spread[i + 1] + lack / 2
    over, under = max(0.0, spread[-1] - 1), max(0.0, -spread[0])
    return [place - over + under for place in spread]


def paired_figure(summary: Summary, method: str, baseline: str) -> Figure | None:
    """Draw the paired difference of two methods with its interval, a line for each model and target."""
    rows = [r for r in summary["paired"] if (r["method"], r["baseline"]) == (method, baseline)]
    if not rows:
        return None
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.75 + 0.36 * len(rows)), layout="constrained")
        panel = figure.subplots()
        for place, r in enumerate(reversed(rows)):
            low, high, value = (100 * r[k] for k in ("difference_low", "difference_high", "difference"))
            decided = r["p_holm"] < SIGNIFICANCE
            colour = method_colour(method if value > 0 else baseline) if decided else QUIET
            panel.plot([low, high], [place, place], color=colour, linewidth=2.2, solid_capstyle="round")
            panel.plot(value, place, "o", color=colour, markersize=6)
        panel.set_yticks(range(len(rows)), [_paired_label(r) for r in reversed(rows)])
        panel.set_ylim(-0.6, len(rows) - 0.4)
        panel.axvline(0, color=INK, linewidth=0.8)
        panel.grid(axis="x")
        panel.grid(visible=False, axis="y")
        widest = max(5.0, *(100 * abs(r[k]) for r in rows for k in ("difference_low", "difference_high")))
        panel.set_xlim(-1.1 * widest, 1.1 * widest)
        panel.set_xlabel(f"following rate, {method_name(method)} minus {method_name(baseline)}, in percentage points")
    return figure


def _paired_label(row: dict[str, Any]) -> str:
    protocol = "" if row["protocol"] == SWEPT else f", {row['protocol']}"
    return f"{row['model']}, {row['target']}{protocol}"


def _tasks(rows: Sequence[dict[str, Any]]) -> list[str]:
    named = sorted({r["task"] for r in rows} - {ALL_TASKS})
    return [*named, ALL_TASKS]
