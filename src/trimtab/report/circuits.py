"""Tables of a circuits study, laid out from its summary as plain data."""

from __future__ import annotations

from collections import Counter
from typing import Any

from trimtab.report.words import listed
from trimtab.studies.circuits.summary import modalities_of
from trimtab.studies.kit.statistics import smallest_shown


def measures_of(summary: dict[str, Any]) -> list[str]:
    """Return what is measured under each condition, in the order of the table."""
    return ["following", *modalities_of(summary), *summary["abilities"]]


def intervention_table(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Lay out the rates: a line for each condition, a cell for each measure, in percent with the change in points."""
    found = {(row["condition"], row["measure"]): row for row in summary["rates"]}
    measures = measures_of(summary)
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


def losses(summary: dict[str, Any]) -> list[str]:
    """Write by how much blocking changes each plain ability, and the least fall that so many items could have shown."""
    count = len(summary["ability_changes"])
    return [
        f"{row['measure']} {100 * row['difference']:+.1f} points ({100 * row['low']:+.1f} to {100 * row['high']:+.1f}; "
        f"{_could_show(row['n'], count)})"
        for row in summary["ability_changes"]
    ]


def claims_in_brief(summary: dict[str, Any]) -> str:
    """Say of how many claims what was found; few items are no finding."""
    counts = Counter(claim["verdict"] for claim in summary["claims"])
    said = {"yes": "shown here", "no": "shown not to hold", "unclear": "not shown either way"}
    parts = [
        f"{counts[verdict]} {'is' if counts[verdict] == 1 else 'are'} {words}"
        for verdict, words in said.items()
        if counts[verdict]
    ]
    if counts["too few items"]:
        parts.append(f"for {counts['too few items']} there are too few items")
    return f"Of {sum(counts.values())} claims {listed(parts)}."


def _could_show(items: int, comparisons: int) -> str:
    least = smallest_shown(items, comparisons)
    if least is None:
        return f"{items} items are too few to show any"
    return f"of {items} items, less than {100 * least:.1f} could not have been shown"


def chosen_heads(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """List the chosen heads with the score they were chosen by and their role."""
    choice = summary["choice"]
    scores = {(r["layer"], r["head"]): r for r in summary["heads"] if r["score"] == choice["score"]}
    return [{**scores[layer, head], "rank": rank} for rank, (layer, head) in enumerate(choice["heads"], 1)]


def _cell(row: dict[str, Any], intact: bool) -> str:
    rate = f"{100 * row['rate']:.1f}"
    return rate if intact else f"{rate} ({100 * row['difference']:+.1f})"
