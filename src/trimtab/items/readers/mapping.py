"""A mapping in YAML: which columns of somebody's data hold what an item needs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

from trimtab.errors import DataError, UsageError
from trimtab.items.evidence import COLUMNS
from trimtab.items.readers.rows import KNOWN, OPTIONAL, PAIR_TEXTS
from trimtab.modalities import PAIR, SHOWN, Modality, place_of
from trimtab.nearest import did_you_mean
from trimtab.plain_yaml import read_yaml

KEYS = ("file", "images", "columns", "fixed", "turns")
TEXTS = ("id", "task", "question", "context", "answer", "split")


@dataclass(frozen=True)
class ColumnMapping:
    """Where items' fields are in a table.

    Attributes:
        path: The file that says so.
        file: What it reads: a file, a pattern, or a folder.
        images: The folder that paths of media start from.
        columns: For each field of items the column, or the way to a value inside it: ``answers.0``, ``turns.*.text``.
        fixed: Fields that are the same in every row.
        turns: The way to a list of texts: each row becomes an item for each of them, whose context is all up to it.
    """

    path: Path
    file: str
    images: str | None
    columns: Mapping[str, str]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    turns: str | None = None

    @property
    def wanted(self) -> set[str]:
        """Names that columns may have: the whole way, which may be a name with full stops, or its first part."""
        ways = [*self.columns.values(), *([self.turns] if self.turns else [])]
        return {name for way in ways for name in (way, way.split(".")[0])}

    @property
    def media(self) -> dict[str, Modality]:
        """The modality of each column that is a medium as a whole."""
        found: dict[str, Modality] = {}
        for kind in SHOWN:
            if place_of(kind) in self.columns:
                found[self.columns[place_of(kind)]] = kind
        return found

    def check_columns(self, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Refuse a way that leads nowhere in any of some rows, and a mapping without a field that all rows must have.

        Returns:
            The ways of fields that rows may lack, of which these have none, by what the mapping calls them.

        Raises:
            UsageError: With the columns, or the names inside a column, that there are.
        """
        there = list(dict.fromkeys(chain.from_iterable(rows)))
        ways = {f"columns.{name}": way for name, way in self.columns.items()} | (
            {"turns": self.turns} if self.turns else {}
        )
        lacking: dict[str, str] = {}
        for what, way in ways.items():
            if way not in there and way.split(".")[0] not in there:
                if what.removeprefix("columns.") not in OPTIONAL:
                    self.refuse(what, way, rows)
                lacking[what] = way
            elif way not in there:
                self._check_way(what, way, [row.get(way.split(".")[0]) for row in rows])
        _check_complete(self)
        return lacking

    def refuse(self, what: str, way: str, rows: Sequence[Mapping[str, Any]]) -> NoReturn:
        """Refuse a way to a column that is not there.

        Raises:
            UsageError: With the columns that some rows have.
        """
        there = list(map(str, dict.fromkeys(chain.from_iterable(rows))))
        raise UsageError(
            f"`{what}` of {self.path} must be a column of {self.file} ({', '.join(there):.500}); got {way!r}"
            + did_you_mean(way, there, "name one of them")
        )

    def _check_way(self, what: str, way: str, values: list[Any]) -> None:
        """Refuse a way whose next step none of the values has."""
        for step in range(1, len(steps := way.split("."))):
            values = [one for one in values if one is not None]
            inside = list(dict.fromkeys(chain.from_iterable(one for one in values if isinstance(one, Mapping))))
            if values and steps[step] not in inside and not any(isinstance(one, list) for one in values):
                has = f"has {', '.join(map(str, inside)):.500}" if inside else "has nothing inside"
                raise UsageError(
                    f"`{what}` of {self.path} must lead to a value in {self.file}, where "
                    f"{'.'.join(steps[:step])!r} {has}; got {way!r}"
                    + did_you_mean(steps[step], map(str, inside), "correct it")
                )
            values = [found for one in values for found in _step(one, steps[step])]

    def rows_of(self, number: int, row: Mapping[str, Any], split: str | None) -> Iterator[dict[str, Any]]:
        """Yield the rows of items that a row of the table becomes: one, or one for each turn.

        Raises:
            DataError: A value is not of a form that an item can have.
        """
        found: dict[str, Any] = {"id": f"{self.path.stem}-{number}", "task": self.path.stem}
        found |= {"split": split} if split is not None else {}
        values = {name: _value(row, way) for name, way in self.columns.items()}
        found |= {name: value for name, value in values.items() if value is not None} | dict(self.fixed)
        found = {
            name: _as_text(value) if name in TEXTS or name.startswith("answer_") else value
            for name, value in found.items()
        }
        if self.turns is None:
            yield found
            return
        turns = _value(row, self.turns)
        if not isinstance(turns, list) or not turns or not all(isinstance(one, str) for one in turns):
            raise DataError(f"`turns`, {self.turns!r}, must be a list of texts; it is {turns!r:.60}.")
        before = [found["context"]] if found.get("context") else []
        tags = list(found.get("tags") or [])
        for place in range(1, len(turns) + 1):
            context = "\n".join([*before, *turns[:place]])
            yield {**found, "id": f"{found['id']}-turn-{place}", "context": context, "tags": [*tags, f"turn-{place}"]}


def read_mapping(path: Path) -> ColumnMapping:
    """Read a mapping.

    Raises:
        UsageError: It is no YAML, lacks a part, or names a field that items do not have.
        DataError: It cannot be read.
    """
    try:
        held = read_yaml(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        raise UsageError(f"source must be a mapping in YAML; {path} cannot be read ({error}).") from error
    if not isinstance(held, dict):
        raise UsageError(f"{path} must be a mapping with {', '.join(KEYS)}; got {held!r:.60}.")
    for key in held:
        if key not in KEYS:
            raise UsageError(f"{path} must have no keys but {', '.join(KEYS)}; got {key!r}" + did_you_mean(key, KEYS))
    file, images, turns = held.get("file"), held.get("images"), held.get("turns")
    if not isinstance(file, str) or not isinstance(images, str | None) or not isinstance(turns, str | None):
        raise UsageError(
            f"`file` of {path} must be a path, and so `images` and `turns` if they are there; got {file!r:.60}."
        )
    columns = _fields(path, "columns", held.get("columns", {}))
    fixed = _fields(path, "fixed", held.get("fixed", {}))
    if wrong := next((name for name, way in columns.items() if not isinstance(way, str) or not way), None):
        raise UsageError(f"`columns.{wrong}` of {path} must be the name of a column; got {columns[wrong]!r:.60}.")
    if twice := columns.keys() & fixed.keys():
        raise UsageError(f"`columns` and `fixed` of {path} must not both have {min(twice)!r}; leave one out.")
    return ColumnMapping(path, file, images, columns, fixed, turns)


def _check_complete(mapping: ColumnMapping) -> None:
    """Refuse a mapping without a field that each of its rows must have; what is relevant may differ from row to row."""
    given = {*mapping.columns, *mapping.fixed, *(["context"] if mapping.turns else [])}
    spoken_of = {COLUMNS[name].modality for name in given & COLUMNS.keys()}
    conflict = "relevant" not in given and spoken_of <= set(PAIR)
    lacking = [name for name in ("question", *(PAIR_TEXTS if conflict else ())) if name not in given]
    if lacking:
        raise UsageError(
            f"`columns` of {mapping.path} must have {' and '.join(lacking)}; got {', '.join(mapping.columns) or 'none'}"
            "; add what the column is called, or a value for all rows to `fixed`."
        )


def _fields(path: Path, key: str, held: object) -> dict[str, Any]:
    if not isinstance(held, dict):
        raise UsageError(f"`{key}` of {path} must be a mapping from fields of items; got {held!r:.60}.")
    for name in held:
        if name not in KNOWN:
            raise UsageError(
                f"`{key}` of {path} must have fields of items alone ({', '.join(KNOWN)}); got {name!r}"
                + did_you_mean(name, KNOWN)
            )
    return held


def _value(row: Mapping[str, Any], way: str) -> Any:
    """Return what a way leads to: a column, or a value inside it."""
    if way in row:
        return row[way]
    first, *rest = way.split(".")
    return _inside(row.get(first), rest)


def _inside(value: Any, way: list[str]) -> Any:
    if not way or value is None:
        return value
    step, *rest = way
    if step == "*" and isinstance(value, list):
        return [_inside(one, rest) for one in value]
    if isinstance(value, list):
        return _inside(value[int(step)], rest) if step.isdigit() and int(step) < len(value) else None
    return _inside(value.get(step), rest) if isinstance(value, Mapping) else None


def _step(value: Any, step: str) -> list[Any]:
    """Return what a step leads to from a value; from a list with ``*``, each of its values."""
    return value if isinstance(value, list) and step == "*" else [_inside(value, [step])]


def _as_text(value: Any) -> Any:
    """Return a number as the text it is answered by, None for what is no number (NaN); anything else as it is."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value
