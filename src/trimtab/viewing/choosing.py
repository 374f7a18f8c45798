"""Which rows of a table a page shows: those that its address asks for, in its order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from trimtab.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Int

    from trimtab.viewing.meaning import Meaning
    from trimtab.viewing.rows import Rows

ON_A_PAGE = 50
"""Rows of a page."""
FEW = 60
"""A column with more different values is no choice; one looks for an item by its name."""
LABELS = {"chosen": "at the chosen strength", "instruction": "contribution with instruction"}
"""What a page calls columns whose names say too little."""
FROM, TO = "_from", "_to"
"""Ends of the names of a measured column's bounds in an address."""


class Asked(dict[str, str]):
    """The fields of an address; one that it does not have is empty."""

    def __missing__(self, _name: str) -> str:
        return ""


class Page(NamedTuple):
    """Rows of a page.

    Attributes:
        places: Their numbers in the table.
        number: The page, from 1.
        pages: How many there are.
        total: How many rows were chosen.
    """

    places: Int[np.ndarray, " rows"]
    number: int
    pages: int
    total: int


class Choice(NamedTuple):
    """A column to choose rows by.

    Attributes:
        name: The column.
        label: What a page calls it.
        values: Its different values as words, and how many rows of the table have each.
        chosen: The one that is chosen; empty for all.
    """

    name: str
    label: str
    values: list[tuple[str, int]]
    chosen: str


def choices_of(rows: Rows, meaning: Meaning, asked: Asked) -> list[Choice]:
    """Return the columns of a table that rows can be chosen by: those that have a few different values."""
    found = []
    for name in meaning.choices:
        counts = rows.counts(name)
        if 1 < len(counts) <= FEW:
            values = sorted(((word(value), count) for value, count in counts), key=_in_order)
            found.append(Choice(name, LABELS.get(name, name), values, asked[name]))
    return found


def page_of(places: Int[np.ndarray, " rows"], asked: Asked, size: int = ON_A_PAGE) -> Page:
    """Return the page that an address asks for, of rows that were chosen.

    Raises:
        UsageError: ``page`` is no number, or there are not so many pages.
    """
    pages = max(1, math.ceil(len(places) / size))
    given = asked["page"] or "1"
    number = int(given) if given.isdecimal() and len(given) < 12 else 0
    if not 1 <= number <= pages:
        raise UsageError(f"`page` must be a number from 1 to {pages}; got {given!r:.100}; go back to the first.")
    return Page(places[(number - 1) * size : number * size], number, pages, len(places))


def chosen(rows: Rows, meaning: Meaning, asked: Asked) -> Int[np.ndarray, " rows"]:
    """Return the numbers of the rows that an address asks for, in its order.

    Args:
        rows: The table.
        meaning: What it means.
        asked: The fields of an address: a value of each column to choose by; ``ratio_from`` and ``ratio_to`` and so on;
            ``search``, a part of an item's name; ``sort``, a column, with ``-`` before it from its largest value on.
            Empty ones and others choose nothing.

    Raises:
        UsageError: A bound is no number, or the table is not sorted by such a column.
    """
    import numpy as np

    kept = np.ones(len(rows), dtype=bool)
    for name in meaning.choices:
        if asked[name]:
            kept &= rows.matching(name, lambda value, wanted=asked[name]: word(value) == wanted)
    for name in meaning.measured:
        for end, least in ((FROM, True), (TO, False)):
            given = asked[f"{name}{end}"]
            if given:
                values, bound = rows.values(name), _number(f"{name}{end}", given)
                kept &= values >= bound if least else values <= bound
    if asked["search"]:
        part = asked["search"].lower()
        kept &= rows.matching(meaning.item, lambda value: part in str(value).lower())
    places = np.flatnonzero(kept)
    return _sorted(rows, meaning, places, asked["sort"])


def sorts(rows: Rows, meaning: Meaning) -> list[str]:
    """Return the columns that a table can be sorted by."""
    return [name for name in (meaning.item, *meaning.choices, *meaning.measured) if name in rows.columns]


def word(value: Any) -> str:
    """Return a value of a column as an address and a page have it."""
    if _is_missing(value):
        return "none given"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _number(name: str, given: str) -> float:
    try:
        found = float(given.replace(",", "."))
    except ValueError:
        found = math.nan
    if math.isnan(found):
        raise UsageError(f"`{name}` must be a number, such as 0.5; got {given!r:.100}.")
    return found


def _sorted(rows: Rows, meaning: Meaning, places: Int[np.ndarray, " rows"], given: str) -> Int[np.ndarray, " rows"]:
    """Sort rows by a column, those without a value last; rows of one value stay as they are."""
    import numpy as np

    if not given:
        return places
    name, falling = given.removeprefix("-"), given.startswith("-")
    known = sorts(rows, meaning)
    if name not in known:
        raise UsageError(f"`sort` must be one of {', '.join(known)}, or one with - before it; got {given!r:.100}.")
    numbers, values = rows.numbered(name)
    there = [number for number, value in enumerate(values) if not _is_missing(value)]
    ranks = np.full(len(values), len(values))
    ranks[sorted(there, key=values.__getitem__, reverse=falling)] = np.arange(len(there))
    return places[np.argsort(ranks[numbers[places]], kind="stable")]


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _in_order(value: tuple[str, int]) -> tuple[bool, float, str]:
    """Sort words by letters, and numbers, before them, by size."""
    try:
        return False, float(value[0]), ""
    except ValueError:
        return True, 0.0, value[0]
