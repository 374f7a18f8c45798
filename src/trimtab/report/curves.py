"""Figures of what steering costs and what it depends on, drawn from a summary."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trimtab.report.methods import method_colour, method_name
from trimtab.report.style import (
    MODALITY_COLOURS,
    figure_style,
    legend_entries,
    percent_axis,
)
from trimtab.studies import ALL_TASKS, SWEPT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Summary = dict[str, Any]
WIDTH = 9.6
FEWEST_POINTS = 3
"""Artifacts of one method that make a curve over their layer or their number of training items."""


def pareto_figure(summary: Summary, model: str) -> Figure:
    """Draw following against collapse, a point for each method and strength, a panel for each target."""
    rows = [r for r in summary["sweep"] if r["model"] == model]
    targets = list(dict.fromkeys(r["target"] for r in rows))
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 4.4), layout="constrained")
        panels = figure.subplots(1, len(targets), sharey=True, squeeze=False)[0]
        for panel, target in zip(panels, targets, strict=True):
            for method in dict.fromkeys(r["method"] for r in rows):
                points = [r for r in rows if (r["method"], r["target"]) == (method, target)]
                _path(panel, method, sorted(points, key=lambda r: r["strength"]))
            panel.set_title(f"target: {target}")
            panel.set_xlabel("collapse rate")
            percent_axis(panel.xaxis)
        percent_axis(panels[0].yaxis)
        panels[0].set_ylabel("following rate")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right upper", fontsize=8)
    return figure


def _path(panel: Axes, method: str, points: list[dict[str, Any]]) -> None:
    if not points:
        return
    at = [p["collapse"] for p in points], [p["following"] for p in points]
    colour = method_colour(method)
    panel.plot(*at, color=colour, linewidth=1.1, marker="o", markersize=3.5, alpha=0.9, label=method_name(method))
    for p in points:
        if p["chosen"]:
            panel.plot(p["collapse"], p["following"], "o", color="white", markeredgecolor=colour, markersize=8)


def attribute_figure(summary: Summary, attribute: str, option: str, heading: str) -> Figure | None:
    """Draw following rates over a number that artifacts of one method differ in, and in nothing else.

    Args:
        summary: The study's summary.
        attribute: ``layer`` or ``train_items``.
        option: The variants' option that sets it.
        heading: Name of the axis.

    Returns:
        A panel for each model and target; None if no method has artifacts enough to make a curve.
    """
    totals = {
        (r["model"], r["target"], r["method"]): r
        for r in summary["rows"]
        if r["task"] == ALL_TASKS and r["chosen"] and r["protocol"] == SWEPT
    }
    curves: dict[tuple[str, str], dict[str, list[tuple[float, dict[str, Any]]]]] = {}
    for a in summary["artifacts"]:
        row = totals.get((a["model"], a["target"], a["method"]))
        if row is not None and a[attribute] is not None and a["varied"] in ("", option):
            own = curves.setdefault((a["model"], a["target"]), {})
            own.setdefault(a["kind"], []).append((a[attribute], row))
    for own in curves.values():
        for kind in [k for k, points in own.items() if len({x for x, _ in points}) < FEWEST_POINTS]:
            del own[kind]
    places = [place for place, own in curves.items() if own]
    if not places:
        return None
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.4 + 2.3 * -(-len(places) // 2)), layout="constrained")
        panels = figure.subplots(-(-len(places) // 2), 2, sharey=True, squeeze=False).flat
        for panel, (model, target) in zip(panels, places, strict=False):
            for kind, points in curves[model, target].items():
                ordered = sorted(points, key=lambda point: point[0])
                x, colour = [p[0] for p in ordered], method_colour(kind)
                panel.plot(x, [p[1]["following"] for p in ordered], "o-", color=colour, label=method_name(kind))
                panel.plot(x, [p[1]["collapse"] for p in ordered], "o:", color=colour, markersize=3)
            panel.set_title(f"{model}, target: {target}")
            panel.set_xlabel(heading)
            panel.legend(fontsize=8)
        percent_axis(figure.axes[0].yaxis)
    return figure


def preference_figure(summary: Summary, method: str) -> Figure | None:
    """Draw what a vector does at each strength to items by their unsteered answer (Figure 1 of AMPS).

    Returns:
        Following and collapse rates, a row of panels for each model; None if the method was not swept.
    """
    rows = [r for r in summary["preference"] if r["method"] == method and r["preference"] in summary["modalities"]]
    if len({r["strength"] for r in rows}) < 2:
        return None
    models = list(dict.fromkeys(r["model"] for r in rows))
    targets = list(dict.fromkeys(r["target"] for r in rows))
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 0.4 + 2.4 * len(models)), layout="constrained")
        panels = figure.subplots(len(models), len(targets), sharex=True, sharey=True, squeeze=False)
        for i, model in enumerate(models):
            for j, target in enumerate(targets):
                _preferences(panels[i, j], [r for r in rows if (r["model"], r["target"]) == (model, target)])
                panels[i, j].set_title(f"{model}, target: {target}")
        percent_axis(panels[0, 0].yaxis)
        panels[0, 0].legend(*legend_entries(figure.axes), fontsize=8)
    return figure


def _preferences(panel: Axes, rows: list[dict[str, Any]]) -> None:
    for preference in dict.fromkeys(r["preference"] for r in rows):
        points = sorted((r for r in rows if r["preference"] == preference), key=lambda r: r["strength"])
        x, colour = [p["strength"] for p in points], MODALITY_COLOURS[preference]
        for rate, style in (("following", "o-"), ("collapse", "o:")):
            y = [p[rate] for p in points]
            panel.plot(x, y, style, color=colour, markersize=3, label=f"answers {preference} by itself: {rate}")
    panel.set_xlabel("strength")
