"""Tables as lists of rows, for grouping and counting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, cast

from trimtab.items.item import ALL_TASKS

if TYPE_CHECKING:
    from pandas import DataFrame

Record = dict[str, Any]


def records(table: DataFrame) -> list[Record]:
    """Return a table's rows."""
    return cast(list[Record], table.to_dict(orient="records"))


def grouped(rows: Iterable[Record], *columns: str) -> Iterator[tuple[tuple[Any, ...], list[Record]]]:
    """Group rows by the values of columns; groups come in the order of their first row."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for row in rows:
        groups.setdefault(tuple(row[c] for c in columns), []).append(row)
    yield from groups.items()


def by_task(rows: list[Record]) -> Iterator[tuple[str, list[Record]]]:
    """Group rows by task, by name, and end with all of them."""
    for (task,), part in sorted(grouped(rows, "task")):
        yield task, part
    yield ALL_TASKS, rows
