"""Tables of what steering breaks, what a perfect choice would reach, and what answers cost."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from trimtab.report.methods import choosers, method_name
from trimtab.report.paper import COLUMNS, TABLE_2
from trimtab.report.tables import SIGNIFICANCE, Cell, percent, points, seeds_note
from trimtab.steering import NoSteering
from trimtab.studies import ALL_TASKS, SWEPT

Summary = dict[str, Any]


class ControlLine(NamedTuple):
    """A method's accuracy where nothing conflicts: a cell for each kind, with its difference from no steering."""

    model: str
    target: str
    method: str
    cells: list[Cell]
    divergence: str


def control_table(summary: Summary) -> list[ControlLine]:
    """Lay out accuracies on controls at the chosen strengths."""
    rows = [r for r in summary["controls"] if r["chosen"]]
    kinds = control_kinds(summary)
    lines = []
    for key in dict.fromkeys((r["model"], r["target"], r["method"]) for r in rows):
        own = {r["kind"]: r for r in rows if (r["model"], r["target"], r["method"]) == key}
        cells = [_control_cell(own.get(kind)) for kind in kinds]
        moved = [r for r in own.values() if r["divergence"] is not None]  # none, where no answer is finite
        mean = sum(r["divergence"] * r["n"] for r in moved) / sum(r["n"] for r in moved) if moved else math.inf
        lines.append(ControlLine(key[0], key[1], method_name(key[2]), cells, f"{mean:.2f}"))
    return lines


def control_kinds(summary: Summary) -> list[str]:
    """Return the kinds of control a study has, in the order of the table."""
    return list(dict.fromkeys(r["kind"] for r in summary["controls"]))


def control_name(kind: str) -> str:
    """Return what a heading calls a kind of control."""
    return "both needed" if kind == "both" else kind.replace("_", " ")


def control_items(summary: Summary) -> list[str]:
    """Say how many controls of each kind there are, and why no more."""
    return [
        f"{control_name(own['kind'])}: {own['n']}" + (f" ({own['short']})" if own["short"] else "")
        for own in summary["control_items"]
    ]


def _control_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell("")
    bounds = f"{100 * row['accuracy_low']:.0f}–{100 * row['accuracy_high']:.0f}"
    spread = f"; {seeds_note(row)}" if row["seeds"] > 1 else ""
    if row["method"] == NoSteering.name:
        return Cell(percent(row["accuracy"]), False, bounds + spread)
    note = f"{points(row['difference_low'])} to {points(row['difference_high'])}; {percent(row['changed'])} % changed"
    text = f"{percent(row['accuracy'])} ({points(row['difference'])})"
    return Cell(text, row["p_holm"] < SIGNIFICANCE, note + spread)


class OracleLine(NamedTuple):
    """A method's best single strength, the best of each item, and what ``choosers`` reach, on the same items."""

    model: str
    target: str
    method: str
    items: int
    best_fixed: str
    oracle: str
    reached: list[str]


def oracle_table(summary: Summary) -> list[OracleLine]:
    """Lay out the oracles of the methods that were swept."""
    lines = []
    for r in summary["oracle"]:
        reached: list[str] = []
        for rate in (r["beside"].get(method) for method in choosers(summary)):
            share = "" if rate is None or not r["following"] else percent(rate / r["following"])
            reached += ["" if rate is None else percent(rate), share]
        lines.append(
            OracleLine(
                r["model"],
                r["target"],
                method_name(r["method"]),
                r["n"],
                percent(r["best_fixed"]),
                percent(r["following"]),
                reached,
            )
        )
    return lines


def cost_table(summary: Summary) -> list[dict[str, str]]:
    """Lay out the work of one answer, and its ratio to an unsteered one."""
    plain = {r["model"]: r for r in summary["costs"] if r["method"] == "none"}
    return [
        {
            "model": r["model"],
            "target": r["target"],
            "method": method_name(r["method"]),
            "passes": f"{r['passes']:.1f}",
            "positions": f"{r['positions']:.0f}",
            "ratio": f"{r['positions'] / plain[r['model']]['positions']:.2f}" if r["model"] in plain else "",
        }
        for r in summary["costs"]
    ]


def paper_table(summary: Summary) -> list[list[str]]:
    """Set the paper's Table 2 over this study's rows of the same shape: ``model, target`` and each of ``COLUMNS``.

    The paper's protocol is the ``single`` one; without it the open answers stand here.
    """
    protocols = {r["protocol"] for r in summary["rows"]}
    protocol = "single" if "single" in protocols else SWEPT
    found = {
        (r["model"], r["target"], r["method"]): r["following"]
        for r in summary["rows"]
        if r["task"] == ALL_TASKS and r["chosen"] and r["protocol"] == protocol
    }
    lines = [[f"{p.model} (paper)", p.target, *(f"{v:.1f}" for v in (p.none, p.l2s, p.amps))] for p in TABLE_2]
    for model, target in dict.fromkeys(key[:2] for key in found):
        rates = [found.get((model, target, method)) for method in COLUMNS]
        if None not in rates:
            lines.append([model, target, *(percent(rate) for rate in rates if rate is not None)])
    return lines
