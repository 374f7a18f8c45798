"""``write_circuits_report``: a circuits study as figures and one self-contained page."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trimtab.files import write_whole
from trimtab.modalities import PAIR
from trimtab.report.circuits_figures import (
    flow_figure,
    heads_figure,
    interventions_figure,
    knockout_figure,
    layers_figure,
    lens_figure,
)
from trimtab.report.page import PAGE, save_figure
from trimtab.studies import read_provenance, read_summary

FIGURES = {
    "flow": flow_figure,
    "knockout": knockout_figure,
    "lens": lens_figure,
    "layers": layers_figure,
    "heads": heads_figure,
    "interventions": interventions_figure,
}


def write_circuits_report(run: str | Path) -> Path:
    """Write a circuits study's figures (``figures/*.png``) and its page, which needs no other file.

    Args:
        run: Folder of a finished circuits study.

    Returns:
        The page.

    Raises:
        UsageError: The folder is that of another study.
        RunFolderError: The study is not finished, or the folder cannot be written to.
    """
    run = Path(run)
    summary, provenance = read_summary(run, "circuits"), read_provenance(run)
    images = {name: save_figure(run, name, draw(summary)) for name, draw in FIGURES.items()}
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("trimtab.report"), autoescape=True, undefined=StrictUndefined)
    page = environment.get_template("circuits.html.j2").render(
        summary=summary,
        provenance=provenance,
        images=images,
        rates=intervention_table(summary),
        measures=["following", *PAIR, *summary["abilities"]],
        heads=chosen_heads(summary),
    )
    return write_whole(run / PAGE, page.encode())


def intervention_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay out the rates: a line for each condition, a cell for each measure, in percent with the change in points."""
    found = {(row["condition"], row["measure"]): row for row in summary["rates"]}
    measures = ["following", *PAIR, *summary["abilities"]]
    perplexity = {row["condition"]: row["perplexity"] for row in summary["perplexity"]}
    return [
        {
            "condition": condition,
            "cells": [_cell(found[condition, measure], condition == "intact") for measure in measures],
            "opposite": f"{100 * found[condition, 'following']['opposite']:.1f}",
            "collapse": f"{100 * found[condition, 'following']['collapse']:.1f}",
            "perplexity": f"{perplexity[condition]:.2f}" if condition in perplexity else "",
        }
        for condition in dict.fromkeys(row["condition"] for row in summary["rates"])
    ]


def chosen_heads(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """List the chosen heads with the score they were chosen by and their role."""
    choice = summary["choice"]
    scores = {(r["layer"], r["head"]): r for r in summary["heads"] if r["score"] == choice["score"]}
    return [{**scores[layer, head], "rank": rank} for rank, (layer, head) in enumerate(choice["heads"], 1)]


def _cell(row: dict[str, Any], intact: bool) -> str:
    rate = f"{100 * row['rate']:.1f}"
    return rate if intact else f"{rate} ({100 * row['difference']:+.1f})"
