"""The figure of patched states, drawn from the summary of a circuits study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trimtab.report.style import INK, QUIET, figure_style, legend_entries

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PART_COLOURS = {
    "all": QUIET,
    "shown": "#0072B2",
    "words": "#CC79A7",
    "context": "#D55E00",
    "instruction": "#009E73",
    "last": "#E69F00",
}


def patching_figure(summary: dict[str, Any]) -> Figure:
    """Draw how far each part's states move the margin to the donor's, layer by layer; a panel for each donor."""
    curves = summary["patching"]["curves"]
    donors = list(dict.fromkeys(row["donor"] for row in curves)) or ["no pair"]
    with figure_style() as new_figure:
        figure = new_figure(figsize=(4.8 * len(donors), 3.7), layout="constrained")
        panels = figure.subplots(1, len(donors), sharey=True, squeeze=False)[0]
        for panel, donor in zip(panels, donors, strict=True):
            for part, colour in PART_COLOURS.items():
                rows = [row for row in curves if (row["donor"], row["part"]) == (donor, part)]
                layers = [row["layer"] for row in rows]
                style = (0, (4, 2)) if part == "all" else "solid"
                panel.plot(layers, [row["moved"] for row in rows], color=colour, linestyle=style, label=part)
                known = [row for row in rows if row["moved_low"] is not None]
                ends = ([row[f"moved_{end}"] for row in known] for end in ("low", "high"))
                panel.fill_between([row["layer"] for row in known], *ends, color=colour, alpha=0.13, linewidth=0)
            panel.axhline(0, color=INK, linewidth=0.8)
            panel.set_title(f"another {donor}")
            panel.set_xlabel("layer whose output is patched")
        panels[0].set_ylabel("share of the way to the donor's margin")
        figure.legend(*legend_entries(figure.axes), loc="outside lower center", ncols=6, fontsize=8)
    return figure
