"""Figures of a circuits study, drawn from its summary."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trimtab.modalities import Modality, place_of
from trimtab.report.style import INK, MODALITY_COLOURS, QUIET, figure_style, legend_entries, percent_axis
from trimtab.report.tables import SIGNIFICANCE
from trimtab.studies.circuits.summary import modalities_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Summary = dict[str, Any]
WIDTH = 9.6
"""Of a figure with two panels, in inches."""

HURTS, HELPS = "#B2182B", "#2166AC"
EDGE_COLOURS = ("#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#44AA99", "#882255", "#999933")
QUIETEST = 0.02
"""Share of the strongest effect below which an edge is not drawn."""


LineStyle = str | tuple[int, tuple[int, ...]]
SOLID, DASHED, DOTTED = "solid", (0, (4, 2)), (0, (1, 1))


def spans_among(modalities: Iterable[Modality]) -> tuple[str, ...]:
    """Return the flow figure's columns, in the prompt's order; the question counts as instruction, as in the paper."""
    cues = sorted(modalities, key=lambda modality: modality == "text")  # what is shown stands before the text
    return (*map(place_of, cues), "instruction", "ending", "last")


def flow_figure(summary: Summary) -> Figure:
    """Draw the flow at a glance: spans as columns, layers as rows, each edge as strong as cutting it matters."""
    n_layers = summary["model"]["layers"]
    named = modalities_of(summary)
    spans = spans_among(named)
    strongest = max((abs(row["effect"]) for row in summary["flow"] if "random" not in row["edge"]), default=0.0)
    with figure_style() as new_figure:
        figure = new_figure(figsize=(_width(named), 1.3 + 0.36 * n_layers), layout="constrained")
        for panel, target in zip(figure.subplots(1, len(named), sharey=True), named, strict=True):
            for column in range(len(spans)):
                panel.plot([column] * n_layers, range(n_layers), "o", color="#D9DEE5", markersize=4, zorder=1)
            for row in shown_edges(summary, target):
                _arrow(panel, row, spans, strongest)
            panel.set_xticks(range(len(spans)), spans)
            panel.set_xlim(-0.4, len(spans) - 0.6)
            panel.set_ylim(-0.8, n_layers - 0.2)
            panel.grid(visible=False)
            panel.set_title(f"the {target} is named")
        figure.axes[0].set_ylabel("layer")
        figure.supxlabel(
            f"red: cutting the edge hurts following, blue: it helps; the widest arrow is {strongest:.2f} nats",
            fontsize=9,
            color=QUIET,
        )
    return figure


def _width(modalities: Sequence[Modality]) -> float:
    """Return the width of a figure with a panel for each modality that is named."""
    return WIDTH * len(modalities) / 2


def shown_edges(summary: Summary, target: str) -> list[dict[str, Any]]:
    """Return the edges and layers whose effect is shown, corrected for all layers and edges under one instruction.

    Each p is corrected for the layers of its curve; Bonferroni's correction for the edges is added.
    """
    rows = [row for row in summary["flow"] if row["target"] == target and "random" not in row["edge"]]
    edges = len({row["edge"] for row in rows})
    return [row for row in rows if edges * row["effect_p"] < SIGNIFICANCE]


def _arrow(panel: Axes, row: dict[str, Any], spans: tuple[str, ...], strongest: float) -> None:
    """Draw one edge at one layer, if it is not too weak to see."""
    source, _, target = row["edge"].partition(" to ")
    share = abs(row["effect"]) / strongest if strongest else 0.0
    if source not in spans or target not in spans or share < QUIETEST:
        return
    panel.annotate(
        "",
        xy=(spans.index(target) - 0.06, row["layer"]),
        xytext=(spans.index(source) + 0.06, row["layer"]),
        arrowprops={
            "arrowstyle": "-|>",
            "color": HURTS if row["effect"] < 0 else HELPS,
            "linewidth": 0.6 + 4.4 * share,
            "alpha": 0.25 + 0.7 * share,
            "connectionstyle": f"arc3,rad={-0.06 * (spans.index(target) - spans.index(source))}",
            "shrinkA": 0,
            "shrinkB": 0,
        },
    )


def knockout_figure(summary: Summary) -> Figure:
    """Draw the knockout curves with their bands; random controls are dashed, a colour's second edge is dotted."""
    edges, named = list(dict.fromkeys(row["edge"] for row in summary["flow"])), modalities_of(summary)
    real = [edge for edge in edges if "random" not in edge]
    looks = {
        edge: (EDGE_COLOURS[place % len(EDGE_COLOURS)], SOLID if place < len(EDGE_COLOURS) else DOTTED)
        for place, edge in enumerate(real)
    }
    with figure_style() as new_figure:
        figure = new_figure(figsize=(_width(named), 3.9), layout="constrained")
        for panel, target in zip(figure.subplots(1, len(named), sharey=True), named, strict=True):
            for edge in edges:
                rows = [row for row in summary["flow"] if (row["edge"], row["target"]) == (edge, target)]
                _band(panel, rows, "effect", *looks.get(edge, (QUIET, DASHED)), edge)
            panel.axhline(0, color=INK, linewidth=0.8)
            panel.set_title(f"the {target} is named")
            panel.set_xlabel(f"layer at the centre of a window of {summary['plan']['window']}")
        figure.axes[0].set_ylabel("effect on following, nats")
        figure.legend(*legend_entries(figure.axes), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def lens_figure(summary: Summary) -> Figure:
    """Draw both answers' margin and the latent decision's agreement at the instruction tokens and the last token."""
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 4.6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True, sharey="row")
        for column, span in enumerate(("anchor", "last")):
            for target in modalities_of(summary):
                for outcome, style in (("success", SOLID), ("failure", DASHED)):
                    key = ("final", span, target, outcome)
                    rows = [r for r in summary["lens"] if (r["norm"], r["span"], r["target"], r["outcome"]) == key]
                    name, colour = f"{target} named, {outcome}", MODALITY_COLOURS[target]
                    _band(panels[0, column], rows, "margin", colour, style, name)
                    _line(panels[1, column], rows, "agreement", colour, style)
            panels[0, column].axhline(0, color=INK, linewidth=0.8)
            panels[0, column].set_title("instruction and question" if span == "anchor" else "last prompt token")
            panels[1, column].set_xlabel("layer")
            panels[1, column].set_ylim(-0.02, 1.02)
        panels[0, 0].set_ylabel("margin, logits")
        panels[1, 0].set_ylabel("agreement")
        figure.legend(*legend_entries(figure.axes), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def layers_figure(summary: Summary) -> Figure:
    """Draw what attention and MLP of each layer add to the margin, for successes, failures, and a prior against it."""
    columns = [("success", "all"), ("failure", "all"), ("all", "against")]
    titles = ("the model follows", "it does not", "the prior is against the instruction")
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 3.2), layout="constrained")
        for panel, (outcome, prior), title in zip(figure.subplots(1, 3, sharey=True), columns, titles, strict=True):
            rows = [r for r in summary["layers"] if (r["outcome"], r["prior"]) == (outcome, prior)]
            _band(panel, rows, "attention", "#0072B2", SOLID, "attention")
            _band(panel, rows, "mlp", "#D55E00", SOLID, "MLP")
            panel.axhline(0, color=INK, linewidth=0.8)
            panel.set_title(title, fontsize=9)
            panel.set_xlabel(f"layer ({rows[0]['n'] if rows else 0} cases)")
            panel.xaxis.get_major_locator().set_params(integer=True)
        figure.axes[0].set_ylabel("adds to the margin, logits")
        figure.axes[0].legend(*legend_entries(figure.axes), fontsize=8)
    return figure


def heads_figure(summary: Summary) -> Figure:
    """Draw each score as a map of layers and heads; the chosen heads are framed."""
    import numpy as np

    names = list(dict.fromkeys(row["score"] for row in summary["heads"]))
    sizes = summary["model"]["layers"], summary["model"]["heads"]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(WIDTH, 1.0 + 0.24 * sizes[0]), layout="constrained")
        for panel, name in zip(np.atleast_1d(figure.subplots(1, len(names), sharey=True)), names, strict=True):
            grid = np.zeros(sizes)
            for row in summary["heads"]:
                if row["score"] == name:
                    grid[row["layer"], row["head"]] = row["mean"]
            limit = float(np.abs(grid).max()) or 1.0
            panel.imshow(grid, cmap="RdBu", vmin=-limit, vmax=limit, origin="lower", aspect="auto")
            heads = next(c["heads"] for c in summary["choices"] if c["score"] == name)
            for layer, head in heads:
                panel.plot(
                    head,
                    layer,
                    "s",
                    markersize=8,
                    markerfacecolor="none",
                    markeredgecolor="#D55E00",
                    markeredgewidth=1.6,
                )
            chosen = " (chosen)" if name == summary["choice"]["score"] else ""
            panel.set_title(f"{name}{chosen}")
            panel.set_xlabel("head")
            panel.grid(visible=False)
        figure.axes[0].set_ylabel("layer")
    return figure


def interventions_figure(summary: Summary) -> Figure:
    """Draw following under every condition, with its interval, beside the plain abilities."""
    conditions = list(dict.fromkeys(row["condition"] for row in summary["rates"]))
    named = modalities_of(summary)
    measures = [*named, *summary["abilities"]]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(_width(named), 0.8 + 0.23 * len(conditions)), layout="constrained")
        panels = figure.subplots(1, len(measures), sharey=True)
        for panel, measure in zip(panels, measures, strict=True):
            intact = next(r for r in summary["rates"] if (r["condition"], r["measure"]) == ("intact", measure))
            panel.axvline(intact["rate"], color=QUIET, linewidth=0.8, linestyle=(0, (4, 3)))
            for row in summary["rates"]:
                if row["measure"] == measure:
                    _dot(panel, row, len(conditions) - 1 - conditions.index(row["condition"]))
            panel.set_title(f"{measure} named" if measure in named else measure, fontsize=9)
            panel.set_xlim(0, 1.02)
            percent_axis(panel.xaxis)
            panel.grid(visible=False, axis="y")
        panels[0].set_yticks(range(len(conditions)), list(reversed(conditions)))
    return figure


def _dot(panel: Axes, row: dict[str, Any], place: int) -> None:
    worse = row["difference_high"] < 0
    better = row["difference_low"] > 0
    colour = HURTS if worse else HELPS if better else QUIET
    panel.plot([row["rate_low"], row["rate_high"]], [place, place], color=colour, linewidth=1.6)
    panel.plot(row["rate"], place, "o", color=colour, markersize=4)


def _band(panel: Axes, rows: Sequence[dict[str, Any]], name: str, colour: str, style: LineStyle, label: str) -> None:
    """Draw a curve over layers with its band, where there is one."""
    import numpy as np

    if not rows:
        return
    ordered = sorted(rows, key=lambda row: row["layer"])
    layers = [row["layer"] for row in ordered]
    panel.plot(layers, [row[name] for row in ordered], color=colour, linewidth=1.5, linestyle=style, label=label)
    low, high = (np.array([row[f"{name}_{end}"] for row in ordered], dtype=float) for end in ("low", "high"))
    panel.fill_between(layers, low, high, color=colour, alpha=0.13, linewidth=0)


def _line(panel: Axes, rows: Sequence[dict[str, Any]], name: str, colour: str, style: LineStyle) -> None:
    ordered = sorted(rows, key=lambda row: row["layer"])
    panel.plot(
        [row["layer"] for row in ordered], [row[name] for row in ordered], color=colour, linewidth=1.5, linestyle=style
    )
