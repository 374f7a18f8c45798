"""The report's tables, laid out from a summary as plain data."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from trimtab.report.methods import method_name
from trimtab.report.style import task_name
from trimtab.studies import ALL_TASKS

Summary = dict[str, Any]
SIGNIFICANCE = 0.05


class Cell(NamedTuple):
    """A number of a table, as text; ``best`` if it is to stand out."""

    text: str
    best: bool = False
    note: str = ""


class Line(NamedTuple):
    """A method's row: ``first`` if its model's block starts here."""

    model: str
    method: str
    strength: str
    cells: list[Cell]
    total: Cell
    others: Cell
    collapse: Cell
    first: bool
    size: int


class Table(NamedTuple):
    """Following rates for one target, in the shape of AMPS's Table 2; ``counts`` are the items of each task."""

    target: str
    protocol: str
    tasks: list[str]
    counts: list[int]
    lines: list[Line]
    items: int

    @property
    def headings(self) -> list[tuple[str, int]]:
        """Each task with how many items it has."""
        return list(zip(self.tasks, self.counts, strict=True))


def following_tables(summary: Summary) -> list[Table]:
    """Lay out following rates at the chosen strengths: a table for each protocol and target, rows model by method."""
    chosen = [r for r in summary["rows"] if r["chosen"]]
    return [
        _table(summary, [r for r in chosen if (r["protocol"], r["target"]) == (p, t)])
        for p in _ordered(chosen, "protocol")
        for t in _ordered(chosen, "target")
    ]


def _table(summary: Summary, rows: list[dict[str, Any]]) -> Table:
    tasks = [t for t in sorted(_ordered(rows, "task")) if t != ALL_TASKS]
    found = {(r["model"], r["method"], r["task"]): r for r in rows}
    swept = {r["method"] for r in summary["rows"] if not r["chosen"]}
    seeds = [r for r in summary["seeds"] if all(r[key] == rows[0][key] for key in ("protocol", "target"))]
    lines = []
    for model in [m for m in summary["models"] if any(r["model"] == m for r in rows)]:
        methods = _ordered([r for r in rows if r["model"] == model], "method")
        best = {t: _best(found[model, m, t]["following"] for m in methods) for t in [*tasks, ALL_TASKS]}
        for method in methods:
            by_task = {t: found[model, method, t] for t in [*tasks, ALL_TASKS]}
            spread = next((r for r in seeds if (r["model"], r["method"]) == (model, method)), None)
            place = {"first": method == methods[0], "size": len(methods)}
            lines.append(_line(model, method, by_task, best, swept, spread, **place))
    counts = [max(r["n"] for r in rows if r["task"] == task) for task in tasks]
    items = max(r["n"] for r in rows)
    return Table(rows[0]["target"], rows[0]["protocol"], [task_name(t) for t in tasks], counts, lines, items)


def _best(rates: Iterable[float]) -> float | None:
    """Return the highest rate; None where several share it, for then none of them stands out."""
    first, *others = sorted(rates, reverse=True)
    return None if others and others[0] == first else first


def _line(
    model: str,
    method: str,
    by_task: dict[str, Any],
    best: dict[str, float | None],
    swept: set[str],
    spread: dict[str, Any] | None,
    *,
    first: bool,
    size: int,
) -> Line:
    total = by_task[ALL_TASKS]
    cells = [
        Cell(percent(r["following"]), r["following"] == best[t], f"n = {r['n']}, {interval(r)}")
        for t, r in by_task.items()
        if t != ALL_TASKS
    ]
    strength = f"{total['strength']:g}" if method in swept else ""
    return Line(
        model,
        method_name(method),
        strength,
        cells,
        Cell(
            percent(total["following"]),
            total["following"] == best[ALL_TASKS],
            f"{100 * total['following_low']:.0f}–{100 * total['following_high']:.0f}"
            + ("" if spread is None else f"; {seeds_note(spread)}"),
        ),
        Cell(percent(total["others"])),
        Cell(percent(total["collapse"])),
        first,
        size,
    )


def seeds_note(row: dict[str, Any]) -> str:
    """Write the range of a rate over seeds in percent."""
    return f"{row['seeds']} seeds {100 * row['lowest']:.0f}–{100 * row['highest']:.0f}"


class PairedLine(NamedTuple):
    """A paired comparison, as text."""

    model: str
    protocol: str
    target: str
    pair: str
    difference: str
    interval: str
    split: str
    p: str
    p_holm: str
    effect: str
    decided: bool


def paired_table(summary: Summary, pairs: list[tuple[str, str]]) -> list[PairedLine]:
    """Lay out the paired comparisons of given (method, baseline) pairs."""
    return [
        PairedLine(
            r["model"],
            r["protocol"],
            r["target"],
            f"{method_name(r['method'])} − {method_name(r['baseline'])}",
            points(r["difference"]),
            f"{points(r['difference_low'])} to {points(r['difference_high'])}",
            f"{r['method_only']} : {r['baseline_only']}",
            p_value(r["p"]),
            p_value(r["p_holm"]),
            signed(r["effect"]),
            r["p_holm"] < SIGNIFICANCE,
        )
        for pair in pairs
        for r in summary["paired"]
        if (r["method"], r["baseline"]) == pair
    ]


class EqualLine(NamedTuple):
    """A pair of methods at equal strengths: the difference at each, decided or not."""

    model: str
    target: str
    pair: str
    cells: list[Cell]


def equal_strength_table(summary: Summary) -> tuple[list[str], list[EqualLine]]:
    """Lay out the comparisons at equal strength: the strengths, and a line for each model, target and pair."""
    rows = summary["equal_strength"]
    strengths = sorted({r["strength"] for r in rows})
    found: dict[tuple[str, str, str], dict[float, dict[str, Any]]] = {}
    for r in rows:
        pair = f"{method_name(r['method'])} − {method_name(r['baseline'])}"
        found.setdefault((r["model"], r["target"], pair), {})[r["strength"]] = r
    lines = [EqualLine(*key, [_equal_cell(own.get(strength)) for strength in strengths]) for key, own in found.items()]
    return [f"{strength:g}" for strength in strengths], lines


def _equal_cell(row: dict[str, Any] | None) -> Cell:
    if row is None:
        return Cell("")
    bounds = f"{points(row['difference_low'])} to {points(row['difference_high'])}, n = {row['n']}"
    return Cell(points(row["difference"]), row["p_holm"] < SIGNIFICANCE, bounds)


def receipt_table(provenance: dict[str, Any], summary: Summary) -> list[dict[str, Any]]:
    """Add up the receipts of all evaluation steps, by model, edit and layer, and name who edits there."""
    totals: dict[tuple[str, str, int], dict[str, Any]] = {}
    for step, notes in provenance["steps"].items():
        model = step.rsplit("/", 1)[0]
        for entry in notes.get("receipt", ()):
            key = (model, entry["edit"], entry["layer"])
            total = totals.setdefault(
                key, {"rows": 0, "prompt_positions": 0, "generated_positions": 0, "change": 0.0, "measured": 0}
            )
            for count in ("rows", "prompt_positions", "generated_positions", "measured"):
                total[count] += entry[count]
            total["change"] += entry["relative_change"] * entry["measured"]
    return [
        {
            "model": model,
            "edit": edit,
            "layer": layer,
            "methods": ", ".join(
                f"{method_name(a['method'])} ({a['target']})"
                for a in summary["artifacts"]
                if a["folder"] == model and a["layer"] == layer
            ),
            **{k: f"{total[k]:,}" for k in ("rows", "prompt_positions", "generated_positions")},
            "relative_change": f"{total['change'] / total['measured']:.2f}" if total["measured"] else "",
        }
        for (model, edit, layer), total in sorted(totals.items())
    ]


def percent(share: float) -> str:
    """Write a share in percent with one decimal."""
    return f"{100 * share:.1f}"


def points(difference: float) -> str:
    """Write a difference of shares in percentage points, with its sign."""
    text = f"{100 * difference:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def signed(size: float) -> str:
    """Write an effect size with its sign."""
    return f"{size:+.2f}".replace("-", "−")


def interval(row: dict[str, Any]) -> str:
    """Write a following rate's 95 % interval in percent."""
    return f"{percent(row['following_low'])} to {percent(row['following_high'])}"


def p_value(p: float) -> str:
    """Write a p-value as readers expect it."""
    return "< 0.001" if p < 0.001 else "1" if p > 0.9995 else f"{p:.3f}"


def _ordered(rows: list[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(r[key] for r in rows))
