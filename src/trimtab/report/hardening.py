"""Tables of an ablation of hardening, laid out from its summary as plain data."""

from __future__ import annotations

from typing import Any

from trimtab.interference import CLEAN
from trimtab.report.interference import counted_items
from trimtab.report.tables import points

CUTS = (CLEAN, "worst seen", "mean seen", "worst unseen", "mean unseen")


def accuracy_lines(summary: dict[str, Any], family: str) -> list[list[str]]:
    """Lay out a family's line for each variant: accuracy with its 95 % interval over items."""
    found = {(r["variant"], r["condition"]): r for r in summary["accuracy"] if r["relevant"] == family}
    lines = []
    for name in dict.fromkeys(r["variant"] for r in summary["accuracy"]):
        cells = [found.get((name, cut)) for cut in CUTS]
        lines.append([name, *("" if c is None else f"{100 * c['accuracy']:.1f} ({_interval(c)})" for c in cells)])
    return lines


def loss_lines(summary: dict[str, Any]) -> list[list[str]]:
    """Lay out what the worst perturbation loses: a line for each variant, with the interval and what chance would."""
    found = {(r["variant"], r["relevant"], r["condition"]): r for r in summary["accuracy"]}
    columns = loss_columns(summary)
    return [
        [name, *(_loss(found.get((name, family, cut))) for family, cut in columns)]
        for name in dict.fromkeys(r["variant"] for r in summary["accuracy"])
    ]


def loss_columns(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the families and sorts of perturbations that something could be lost under."""
    harmed = dict.fromkeys(r["relevant"] for r in summary["accuracy"] if r["condition"] not in CUTS)
    return [(family, cut) for family in harmed for cut in CUTS if cut.startswith("worst")]


def _loss(cell: dict[str, Any] | None) -> str:
    if cell is None or cell["loss"] is None:
        return ""
    bounds = "" if cell["loss_low"] is None else f" ({100 * cell['loss_low']:.1f} to {100 * cell['loss_high']:.1f})"
    return f"{100 * cell['loss']:.1f}{bounds}; {100 * cell['chance']:.1f}"


def hardening_in_brief(summary: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """Answer for each family: does hardening help, which variant helps most, and at what price.

    What counts is the loss under the worst perturbation that was not trained on. It helps where the interval of the
    best variant's loss is below that of the model as it was.
    """
    found = []
    for family, cut in loss_columns(summary):
        rows = {
            r["variant"]: r
            for r in summary["accuracy"]
            if (r["relevant"], r["condition"]) == (family, cut) and r["loss"] is not None
        }
        start = rows.pop("vanilla", None)
        if cut != "worst unseen" or start is None or not rows:
            continue
        best = min(rows.values(), key=lambda r: r["loss"])
        found.append((f"where the {family} is relevant", [_helps(start, best), _variant(best), _work(summary, best)]))
    return found


def _helps(start: dict[str, Any], best: dict[str, Any]) -> str:
    before, after = start["loss_low"], best["loss_high"]
    helps = before is not None and after is not None and after < before
    verdict = "Yes" if helps else f"Not shown on {start['n']} items"
    return f"{verdict}: the worst unseen perturbation takes {_taken(start)} points without."


def _taken(row: dict[str, Any]) -> str:
    return points(row["loss"]).lstrip("+")


def _variant(best: dict[str, Any]) -> str:
    return f"{best['variant'].replace('_', ' ')}: it takes {_taken(best)} points."


def _work(summary: dict[str, Any], best: dict[str, Any]) -> str:
    """Say the clean answers that a variant loses or gains, and its work beside plain augmentation."""
    clean = {r["variant"]: r["accuracy"] for r in summary["accuracy"] if _clean_of(r, best)}
    parts = [f"{points(clean[best['variant']] - clean['vanilla'])} points of clean answers"]
    work = {c["variant"]: c["forward_equivalents"] for c in summary["cost"]}
    if {"augmented", best["variant"]} <= work.keys():
        parts.append(f"{work[best['variant']] / work['augmented']:.1f} times the work of plain augmentation")
    return f"{'; '.join(parts)}."


def _clean_of(row: dict[str, Any], best: dict[str, Any]) -> bool:
    return (row["relevant"], row["condition"]) == (best["relevant"], CLEAN)


def family_items(summary: dict[str, Any], family: str) -> str:
    """Say how many items of a family were asked, and about how many different things."""
    return counted_items(max((r for r in summary["accuracy"] if r["relevant"] == family), key=lambda r: r["n"]))


def _interval(cell: dict[str, Any]) -> str:
    return f"{100 * cell['low']:.0f}-{100 * cell['high']:.0f}"


def cost_lines(summary: dict[str, Any]) -> list[list[str]]:
    """Lay out a line for each run: steps, seconds and counted work, both also relative to plain augmentation."""
    base = next((c for c in summary["cost"] if c["variant"] == "augmented"), None)
    return [
        [
            c["label"],
            str(c["steps"]),
            f"{c['seconds_of_training']:.0f}",
            f"{c['forward_equivalents'] / 1000:.0f}",
            _ratio(c, base, "seconds_of_training"),
            _ratio(c, base, "forward_equivalents"),
        ]
        for c in summary["cost"]
    ]


def _ratio(cost: dict[str, Any], base: dict[str, Any] | None, name: str) -> str:
    """Divide by the base's; nothing where a run was resumed at its very end, and so measured no step."""
    return f"{cost[name] / base[name]:.2f}" if base is not None and cost[name] and base[name] else ""


def preference_columns(summary: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the targets and methods that preferences were measured with, in their order."""
    return list(dict.fromkeys((r["target"], r["method"]) for r in summary["preference"]))


def preference_lines(summary: dict[str, Any]) -> list[list[str]]:
    """Lay out following rates on conflict items: by itself, told, and steered by a vector fitted anew."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in summary["preference"]:
        found.setdefault((row["variant"], row["target"], row["method"]), []).append(row["following"])
    columns = preference_columns(summary)
    return [
        [name, *(f"{100 * sum(found[name, *c]) / len(found[name, *c]):.1f}" for c in columns)]
        for name in dict.fromkeys(r["variant"] for r in summary["preference"])
    ]
