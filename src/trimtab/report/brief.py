"""What a busy person reads first of a steering study: does it work, which method to use, at what price."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from trimtab.report.methods import method_name
from trimtab.report.tables import SIGNIFICANCE, percent, points
from trimtab.report.words import items_of, listed
from trimtab.steering import METHODS
from trimtab.studies import ALL_TASKS, SWEPT
from trimtab.studies.kit.statistics import smallest_shown

Summary = dict[str, Any]
Rows = list[dict[str, Any]]

TIED = 3
"""Methods that are named beside the best; more are counted."""


RULE = (
    "Of the methods that are shown to move answers, the one that is named has most left of its following rate after "
    "what collapses and after the right answers that it loses on the kind of item without a conflict where it loses "
    "most. It is picked on these very items, so a small lead may be chance."
)


@dataclass(frozen=True)
class Brief:
    """The answer for one model and target.

    Attributes:
        case: The model and the target.
        works: Whether answers are shown to move toward the target.
        use: The method to use by ``RULE``, and which are not shown to follow more or less.
        price: What it breaks, and how much it works.
    """

    case: str
    works: str
    use: str
    price: str


def briefs(summary: Summary) -> list[Brief]:
    """Return the answers of a study, case by case; none where nothing is compared with no steering."""
    totals = [r for r in summary["rows"] if r["chosen"] and r["task"] == ALL_TASKS and r["protocol"] == SWEPT]
    found = []
    for model, target in dict.fromkeys((r["model"], r["target"]) for r in totals):
        rows = {r["method"]: r for r in totals if (r["model"], r["target"]) == (model, target)}
        start = rows.pop("none", None)
        if start is not None and rows:
            where = {"model": model, "target": target, "protocol": SWEPT}
            found.append(_brief(summary, where, start, rows))
    return found


def in_words(summary: Summary) -> list[tuple[str, str]]:
    """Return what reports call each method of a study, and what it does."""
    kinds = {a["method"]: a["kind"] for a in summary["artifacts"]}
    names = dict.fromkeys(r["method"] for r in summary["rows"])
    return [(method_name(name), _does(kinds.get(name, name))) for name in names]


def _does(method: str) -> str:
    return (inspect.getdoc(METHODS[method]) or "").split("\n")[0] if method in METHODS else ""


def _brief(summary: Summary, where: Summary, start: Summary, rows: dict[str, Summary]) -> Brief:
    case = f"{where['model']} toward the {where['target']}"
    paired = [r for r in summary["paired"] if where.items() <= r.items()]
    moved = [r["method"] for r in paired if r["baseline"] == "none" and _shown(r) and r["difference"] > 0]
    moved = [method for method in moved if method in rows]
    if not moved:
        return Brief(case, _not_shown(summary, start["n"]), "None is shown to be worth it.", "")
    best = max(moved, key=lambda method: _worth(rows[method], _worst(summary, where, method)))
    works = f"Yes, with {len(moved)} of {len(rows)} methods: {percent(start['following'])} % follow without."
    use = f"{method_name(best)}: {percent(rows[best]['following'])} % follow.{_tied(paired, best, moved)}"
    return Brief(case, works, use, _price(summary, where, rows[best]))


def _worth(row: Summary, worst: Summary | None) -> float:
    """Return what ``RULE`` ranks by."""
    lost = 0.0 if worst is None else max(0.0, -worst["difference"])
    return row["following"] - row["collapse"] - lost


def _worst(summary: Summary, where: Summary, method: str) -> Summary | None:
    """Return the kind of control on which a method loses most; None where none was asked."""
    own = {"model": where["model"], "target": where["target"], "method": method, "chosen": True}
    controls = [r for r in summary["controls"] if own.items() <= r.items()]
    return min(controls, key=lambda r: r["difference"], default=None)


def _shown(row: Summary) -> bool:
    return row["p_holm"] < SIGNIFICANCE


def _not_shown(summary: Summary, items: int) -> str:
    comparisons = [r["method"] for r in summary["paired"] if r["baseline"] == "none"]
    least = smallest_shown(items, max((comparisons.count(method) for method in comparisons), default=1))
    if least is None:
        return f"Too few items to tell ({items})."
    return f"Not shown; on {items} items a shift below {percent(least)} points could not have been."


def _tied(paired: Rows, best: str, moved: list[str]) -> str:
    """Name the methods whose difference in following from the best is not shown."""
    names = [
        method_name(other)
        for row in paired
        if best in (row["method"], row["baseline"]) and not _shown(row)
        for other in (row["method"], row["baseline"])
        if other != best and other in moved
    ]
    names = list(dict.fromkeys(names))
    if not names:
        return ""
    named = names if len(names) <= TIED else [*names[:TIED], f"{len(names) - TIED} more"]
    return f" Not shown to follow more or less: {listed(named)}."


def _price(summary: Summary, where: Summary, best: Summary) -> str:
    """Say what a method breaks where modalities conflict, what it breaks where none do, and its work."""
    collapse = best["collapse"]
    parts = [f"{percent(collapse)} % of answers collapse" if collapse else "no answer collapses"]
    worst = _worst(summary, where, best["method"])
    if worst is None:
        parts.append("what it breaks where nothing conflicts was not asked")
    elif worst["difference"] < 0:
        shown = "" if _shown(worst) else f" (not shown on {worst['n']})"
        lost = points(-worst["difference"]).lstrip("+")
        parts.append(f"{lost} points of right answers are lost on {items_of(worst['kind'])}{shown}")
    else:
        parts.append("no right answer is lost where nothing conflicts")
    own = {"model": where["model"], "target": where["target"], "method": best["method"]}
    work = [r["positions"] for r in summary["costs"] if own.items() <= r.items()]
    plain = [r["positions"] for r in summary["costs"] if (own | {"method": "none"}).items() <= r.items()]
    if work and plain:
        parts.append(f"{work[0] / plain[0]:.1f} times the work of a plain answer")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
