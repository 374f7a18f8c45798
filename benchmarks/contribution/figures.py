"""The figures of the validation page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.report.figures import contribution_figure
from trimtab.report.style import INK, QUIET, figure_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#767676", "#1C2430")
PLANTED_SHOWN = (
    "default",
    "kl limit",
    "ce",
    "ce reversed",
    "ablation blank",
    "attention mass",
    "gradient x input",
)


def save_all(found: dict[str, Any], folder: Path) -> dict[str, str]:
    """Draw every figure of the page and return the files' names."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"planted": planted(found["planted"]), "sigma": sigma(found["sigma"], found["convergence"])}
    figures["ratio"] = contribution_figure(
        {
            "models": list(found["models"]),
            "contribution": [
                {"model": name, **row} for name, part in found["models"].items() for row in part["by_task"]
            ],
        }
    )
    for name, part in found["models"].items():
        figures[f"foretold-{name}"] = areas(part["foretold"], name)
    for name, figure in figures.items():
        figure.savefig(folder / f"{name}.png", format="png", metadata={"Software": None})
    return {name: f"{name}.png" for name in figures}


def planted(found: dict[str, Any]) -> Figure:
    """Draw the visual ratio of planted models against their image weight."""
    from benchmarks.contribution.laws import WEIGHTS

    with figure_style() as new_figure:
        figure = new_figure(figsize=(9.6, 3.8), layout="constrained")
        panels = figure.subplots(1, len(found), sharey=True)
        for panel, (family, part) in zip(panels, found.items(), strict=True):
            panel.plot(WEIGHTS, part["expected"], color=INK, linewidth=5, alpha=0.2, label="follows from the weight")
            panel.plot(WEIGHTS, part["curves"]["kl values"], color=INK, linewidth=1, label="kl values (limit)")
            for name, colour in zip(PLANTED_SHOWN, COLOURS, strict=False):
                panel.plot(WEIGHTS, part["curves"][name], color=colour, marker="o", markersize=3, label=name)
            panel.set_title(family)
            panel.set_xlabel("weight of the image in the planted model")
        panels[0].set_ylabel("visual ratio")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center", fontsize=8)
    return figure


def sigma(laws: dict[str, Any], limits: dict[str, Any]) -> Figure:
    """Draw scores against sigma, and the sampled KL score closing in on its limit."""
    with figure_style() as new_figure:
        figure = new_figure(figsize=(9.6, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        for (kind, curve), colour in zip(laws["curves"].items(), COLOURS, strict=False):
            left.loglog(laws["sigmas"], curve, color=colour, marker="o", markersize=3, label=kind)
        left.legend(fontsize=7)
        left.set_xlabel("sigma")
        left.set_title("image score by divergence")
        rows = limits["rows"]
        at = [r["sigma"] for r in rows]
        right.errorbar(at, [r["mean"] for r in rows], yerr=[2 * r["error"] for r in rows], fmt="o", color=COLOURS[0])
        right.axhline(limits["limit"], color=COLOURS[1], label="exact limit")
        right.set_xscale("log")
        right.set_ylim(bottom=0)
        right.legend()
        right.set_xlabel("sigma")
        right.set_title("kl, sampled (two standard errors)")
    return figure


def areas(rows: list[dict[str, Any]], model: str) -> Figure:
    """Draw, for each outcome, how well each method's ratio foretells it."""
    outcomes = list(dict.fromkeys(r["outcome"] for r in rows))
    methods = list(dict.fromkeys(r["method"] for r in rows))
    with figure_style() as new_figure:
        figure = new_figure(figsize=(2.1 * len(outcomes) + 1.6, 0.8 + 0.19 * len(methods)), layout="constrained")
        panels = figure.subplots(1, len(outcomes), sharey=True)
        for panel, outcome in zip(panels, outcomes, strict=True):
            _areas_panel(panel, [r for r in rows if r["outcome"] == outcome and "auroc" in r], methods)
            panel.set_title(outcome, fontsize=8)
        panels[0].set_yticks(range(len(methods)), methods[::-1], fontsize=7)
        figure.suptitle(f"{model}: area under the ROC curve, 95 % interval", fontsize=9)
    return figure


def _areas_panel(panel: Axes, rows: list[dict[str, Any]], methods: list[str]) -> None:
    for row in rows:
        place = len(methods) - 1 - methods.index(row["method"])
        colour = QUIET if row["low"] <= 0.5 <= row["high"] else COLOURS[0] if row["auroc"] > 0.5 else COLOURS[1]
        panel.plot([row["low"], row["high"]], [place, place], color=colour, linewidth=1.4)
        panel.plot(row["auroc"], place, "o", color=colour, markersize=3.5)
    panel.axvline(0.5, color=INK, linewidth=0.7)
    panel.set_xlim(0.1, 1)
