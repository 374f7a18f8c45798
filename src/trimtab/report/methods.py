"""What reports call methods, how they colour them, and which they set beside each other: as the methods say."""

from __future__ import annotations

from typing import Any

from trimtab.steering import METHODS, Method, NoSteering

Summary = dict[str, Any]


def method_name(method: str) -> str:
    """Return what tables and figures call a method; a study's variant goes by its own name."""
    return METHODS[method].title if method in METHODS else method.replace("_", " ")


def method_phrase(method: str) -> str:
    """Return what a sentence calls a method."""
    return (METHODS[method].phrase if method in METHODS else "") or method_name(method)


def method_colour(method: str) -> str:
    """Return a method's colour; variants have that of methods without one."""
    return METHODS[method].colour if method in METHODS else Method.colour


def methods_of(summary: Summary) -> list[str]:
    """Return the methods of a study, in the order of its tables."""
    return list(dict.fromkeys(r["method"] for r in summary["rows"]))


def swept_methods(summary: Summary) -> list[str]:
    """Return the methods that were tried at several strengths."""
    tried: dict[str, set[float]] = {}
    for row in summary["sweep"]:
        tried.setdefault(row["method"], set()).add(row["strength"])
    return [method for method, strengths in tried.items() if len(strengths) > 1]


def main_pair(summary: Summary) -> tuple[str, str] | None:
    """Return the comparison that a study is asked to decide: the first method that another decides the worth of."""
    compared = {(r["method"], r["baseline"]) for r in summary["paired"]}
    for method in methods_of(summary):
        first = next(iter(_compared_with(method)), NoSteering.name)
        if first != NoSteering.name and (method, first) in compared:
            return method, first
    return None


def shown_pairs(summary: Summary) -> list[tuple[str, str]]:
    """Return the comparisons a page shows; ``summary.json`` has all.

    These are those that the methods name, variants against what their method is set beside first, and shuffled ones
    against their own kind.
    """
    kinds = {a["method"]: a["kind"] for a in summary["artifacts"]}
    named = [(method, other) for method in methods_of(summary) for other in _compared_with(method)]
    pair = main_pair(summary)
    named.sort(key=lambda one: pair is None or one[0] != pair[0])  # the pair to decide comes first
    every = dict.fromkeys((r["method"], r["baseline"]) for r in summary["paired"])
    worth = {method for method, _ in every} & {other for m in METHODS.values() for other in m.compared_with[:1]}
    variants = [
        (method, baseline)
        for method, baseline in every
        if method != kinds[method]
        and (baseline in worth or ("shuffled" in method and kinds[baseline] == kinds[method]))
    ]
    return [*named, *variants]


def choosers(summary: Summary) -> list[str]:
    """Return the methods that choose each item's strength themselves: set beside others, and not swept."""
    swept = {r["method"] for r in summary["oracle"]}
    return [m for m in methods_of(summary) if m not in swept and reference_of(summary, m)]


def reference_of(summary: Summary, method: str) -> tuple[str, ...]:
    """Return the methods that one is compared with, the one that decides its worth first."""
    kinds = {a["method"]: a["kind"] for a in summary["artifacts"]}
    return _compared_with(kinds.get(method, method))


def _compared_with(method: str) -> tuple[str, ...]:
    return METHODS[method].compared_with if method in METHODS else ()
