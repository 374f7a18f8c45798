"""Recipes that share their test items and some methods measure the same thing more than once."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.evidence.row import Case


def once(cases: Iterable[Case]) -> list[Case]:
    """Keep one of those cases that are the same measurement: that with the largest p, of the most comparisons.

    Such have the same test items, model and condition, and the same number to its last digit. Where a recipe chose
    another layer or strength, the number is another, and both stay.
    """
    found: dict[object, Case] = {}
    for place, case in enumerate(cases):
        number, items = case.number, case.source.items_digest
        key = (items, case.model, case.condition, number[:4]) if number and items else place
        if key not in found or _p(case) > _p(found[key]):
            found[key] = case
    return list(found.values())


def _p(case: Case) -> float:
    return -1.0 if case.number is None or case.number.p is None else case.number.p
