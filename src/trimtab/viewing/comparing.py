"""Two runs side by side: conditions of the same name on the items that both have, by the paired tests of studies."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from trimtab.errors import UsageError
from trimtab.studies import PairedDifference, holm
from trimtab.studies.kit.metrics import paired_by_item
from trimtab.studies.kit.statistics import Interval, clustered_rate
from trimtab.viewing.choosing import word
from trimtab.viewing.meaning import CHOSEN, CLUSTER, COLLAPSED, CONDITION, STRENGTH, Meaning, meaning_of, outcomes

if TYPE_CHECKING:
    import numpy as np

    from trimtab.viewing.rows import Rows

Name = tuple[str, ...]
"""A condition's values, in the order of ``Meaning.condition``."""

WAYS = ("lost", "won", "all")
"""Which items to list: those where only the first run's outcome holds, only the second's, or both kinds."""


@dataclass
class Condition:
    """The answers of one condition.

    Attributes:
        name: Its values.
        strengths: The strengths that its answers were given at.
        hits: By item, whether the outcome holds, seed by seed.
        places: By item, the numbers of its rows.
        clusters: By item, what it is about: items that share that are no independent evidence.
        collapsed: How many answers are broken.
    """

    name: Name
    strengths: set[float] = field(default_factory=set)
    hits: dict[str, list[bool]] = field(default_factory=dict)
    places: dict[str, list[int]] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)
    collapsed: int = 0

    @property
    def answers(self) -> int:
        """How many answers it has."""
        return sum(map(len, self.hits.values()))

    def rate(self, items: Sequence[str]) -> Interval:
        """Return the rate of the outcome on some items, with its interval."""
        return clustered_rate(
            [hit for item in items for hit in self.hits[item]],
            [self.clusters[item] for item in items for _ in self.hits[item]],
        )


class Compared(NamedTuple):
    """A condition in two runs.

    Attributes:
        first: That of the first run.
        second: That of the second.
        items: The items that both have.
        rates: The rates on these items.
        paired: How the second differs from the first.
        p: Its p, corrected by Holm's rule for all conditions compared beside it.
    """

    first: Condition
    second: Condition
    items: list[str]
    rates: tuple[Interval, Interval]
    paired: PairedDifference
    p: float


def differing(first: Rows, second: Rows) -> dict[str, tuple[str, str]]:
    """Return in what two whole runs differ: columns of conditions with one value in each, and another in the other."""
    found = {}
    for column in CONDITION:
        if column in first.columns and column in second.columns:
            one, two = (rows.counts(column) for rows in (first, second))
            if len(one) == len(two) == 1 and one[0][0] != two[0][0]:
                found[column] = (word(one[0][0]), word(two[0][0]))
    return found


def meaning_of_both(first: Rows, second: Rows) -> Meaning:
    """Return what the rows of two tables mean; in what the whole runs differ tells no conditions apart.

    Raises:
        UsageError: They mean different things, or have no outcome to compare.
    """
    found = [meaning_of(rows.columns) for rows in (first, second)]
    one, two = found
    if one is None or two is None or not one.outcome:
        raise UsageError("the tables of two runs must say of each item whether an answer is right to be compared.")
    if (one.item, one.condition, one.outcome) != (two.item, two.condition, two.outcome):
        raise UsageError("the two runs must be of one kind to be compared: their tables have different columns.")
    apart = differing(first, second)
    return replace(one, condition=tuple(name for name in one.condition if name not in apart))


def conditions_of(rows: Rows, meaning: Meaning) -> dict[Name, Condition]:
    """Return the conditions of a table, by name: where strengths were tried, at the one that was chosen."""
    import numpy as np

    hits, known = outcomes(rows, meaning)
    kept = known & rows.values(CHOSEN).astype(bool) if CHOSEN in rows.columns else known
    places = np.flatnonzero(kept)
    if not len(places):
        return {}
    columns = [rows.numbered(column) for column in meaning.condition]
    numbers = _numbered([own for own, _ in columns], len(rows))[places]
    items = rows.values(meaning.item)[places]
    clusters = rows.values(CLUSTER)[places] if CLUSTER in rows.columns else items
    found: dict[int, Condition] = {}
    answers = (places.tolist(), numbers.tolist(), items, clusters, hits[places].tolist())
    for place, number, item, cluster, hit in zip(*answers, strict=True):
        own = found.get(number)
        if own is None:
            own = found[number] = Condition(tuple(word(values[of[place]]) for of, values in columns))
        own.clusters[item] = cluster
        own.hits.setdefault(item, []).append(hit)
        own.places.setdefault(item, []).append(place)
    for column, add in ((STRENGTH, _add_strengths), (COLLAPSED, _add_collapsed)):
        if column in rows.columns:
            add(rows.values(column), [*found.values()])
    return {own.name: own for own in found.values()}


def compared(first: dict[Name, Condition], second: dict[Name, Condition]) -> list[Compared]:
    """Compare the conditions that two runs both have, on the items that both have."""
    return corrected([_pair(one, second[name]) for name, one in first.items() if name in second])


def corrected(pairs: Sequence[Compared | None]) -> list[Compared]:
    """Correct the p of comparisons for their number; None stands for one without an item."""
    found = [pair for pair in pairs if pair is not None]
    return [pair._replace(p=p) for pair, p in zip(found, holm([pair.paired.p for pair in found]), strict=True)]


def compare_two(first: Condition, second: Condition) -> Compared:
    """Compare two conditions of whatever names.

    Raises:
        UsageError: They share no item.
    """
    found = _pair(first, second)
    if found is None:
        raise UsageError("the two conditions must have an item in common to be compared; they have none.")
    return found


def flipped(pair: Compared, way: str) -> list[str]:
    """Return the items whose outcome differs between two conditions: of several seeds, in how many of them.

    Args:
        pair: The comparison.
        way: One of ``WAYS``.

    Raises:
        UsageError: It is none of these.
    """
    if way not in WAYS:
        raise UsageError(f"`way` must be one of {', '.join(WAYS)}; got {way!r:.100}.")
    found = []
    for item in pair.items:
        before, after = (sum(one.hits[item]) / len(one.hits[item]) for one in (pair.first, pair.second))
        if (before > after and way != "won") or (after > before and way != "lost"):
            found.append(item)
    return found


def named(conditions: dict[Name, Condition], given: str, owner: str) -> Condition:
    """Return the condition of a name that is given as a list in JSON.

    Raises:
        UsageError: There is none.
    """
    try:
        found = json.loads(given)
        own = conditions.get(tuple(found)) if isinstance(found, list) else None
    except (ValueError, TypeError, RecursionError):
        own = None
    if own is None:
        raise UsageError(f"`{owner}` must be a condition of its run; got {given!r:.200}; go back and choose one.")
    return own


def _pair(first: Condition, second: Condition) -> Compared | None:
    items = [item for item in first.hits if item in second.hits]
    if not items:
        return None
    paired = paired_by_item(second.hits, {item: first.hits[item] for item in items}, clusters=first.clusters)
    return Compared(first, second, items, (first.rate(items), second.rate(items)), paired, paired.p)


def _numbered(columns: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Give rows with the same numbers in all columns the same number."""
    import numpy as np

    numbers = np.zeros(count, dtype=np.int64)
    for own in columns:
        numbers = np.unique(numbers * (int(own.max(initial=0)) + 1) + own, return_inverse=True)[1]
    return numbers


def _rows_of(condition: Condition) -> Iterator[int]:
    return (place for places in condition.places.values() for place in places)


def _add_strengths(values: np.ndarray, conditions: Sequence[Condition]) -> None:
    for one in conditions:
        one.strengths = {float(values[place]) for place in _rows_of(one)}


def _add_collapsed(values: np.ndarray, conditions: Sequence[Condition]) -> None:
    for one in conditions:
        one.collapsed = sum(bool(values[place]) for place in _rows_of(one))
