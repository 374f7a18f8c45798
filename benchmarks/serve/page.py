"""The table of a page, from what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.pages import between, table

BEGIN, END = "<!-- costs of {model} begin -->", "<!-- costs of {model} end -->"
NAMES = {
    "plain": "plain, plug-in over none",
    "again": "plain once more over plain",
    "mean": "mean vector over plain",
    "l2s": "L2S over plain",
    "heads": "head set over plain",
    "several": "all three at once over plain",
    "mixed": "mixed over plain",
}
"""What ratios are called."""
AIMS = {"plain": 0.98, "mean": 0.95, "l2s": 0.95, "heads": 0.95, "several": 0.95, "mixed": 0.95}
"""Of requests a second."""


def write(page: Path, told: Mapping[str, Any]) -> None:
    """Write the table between the marks of its model.

    Raises:
        ValueError: The page has no such marks.
    """
    begin, end = (mark.format(model=told["model"]) for mark in (BEGIN, END))
    page.write_text(between(page.read_text(encoding="utf-8"), begin, end, section(told)), encoding="utf-8")


def section(told: Mapping[str, Any]) -> str:
    """Return what the page says of a run."""
    cells = {(cell["clients"], cell["way"]): cell for cell in told["cells"]}
    clients = sorted({own for own, _way in cells})
    ratios = [(cells[own, way]["rate"], aim) for way, aim in AIMS.items() for own in clients]
    met, surely = (sum(rate[end] >= aim for rate, aim in ratios) for end in (0, 1))
    how = "compiled" if told["compiled"] else "not compiled"
    said = (
        f"{told['model']}, {how}, {told['processors']} processors ({told['machine']}), {told['rounds']} rounds, "
        f"{told['tokens']} tokens an answer. Answers a second, the median ratio and in brackets its 95 % interval; "
        f"then seconds to the first token, the same. At least {AIMS['plain']} is aimed at for the plug-in and "
        f"{AIMS['mean']} for steering: {met} of {len(ratios)} ratios reach it, {surely} with the whole interval.\n\n"
    )
    columns = ["", *(f"{own} client{'s' * (own > 1)}" for own in clients)]
    columns += [f"first token, {own}" for own in clients]
    bare = ["without the plug-in"]
    bare += [f"{cells[own, 'bare']['answers_per_second']:.1f}/s" for own in clients]
    bare += [f"{cells[own, 'bare']['first_token_seconds']:.2f} s" for own in clients]
    rows = [bare]
    for way, name in NAMES.items():
        own = [_ratio(cells[count, way][kind]) for kind in ("rate", "first") for count in clients]
        rows.append([name, *own])
    return said + table(columns, rows)


def _ratio(found: Sequence[float]) -> str:
    return "{:.2f} ({:.2f} to {:.2f})".format(*found)
