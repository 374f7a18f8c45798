"""Turning rows into items: bad rows are recorded, missing images reported together, ids kept unique."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Generic, NamedTuple, TextIO, TypeVar

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items.item import Agreeing, Item, Items, MediumMissing, Skipped
from trimtab.items.readers.rows import SameAnswers
from trimtab.items.sources import MediaFile
from trimtab.modalities import Modality

Content = TypeVar("Content")
"""What a file gives for a row."""

_SHOWN = 5
_MISSING = " missing; "  # as a reason about fields says it
_OTHER_NAMES = " Where columns have other names, a mapping says which: docs/data.md."
MAPPINGS = (".yaml", ".yml")
"""Endings of files that map columns."""
_log = logging.getLogger(__name__)


class MediumNotFound(Exception):
    """Internal: a row is fine, but what it shows is not there; says which file was looked for."""


class RowFault(Exception):
    """Internal: what is wrong with a row that has an id of its own."""

    def __init__(self, item: object, fault: Exception) -> None:
        super().__init__(f"item {item!s:.60}: {fault}")
        self.fault = fault


class Row(NamedTuple, Generic[Content]):
    """A row as its file has it; ``content`` is a DataError if it could not even be read."""

    number: int
    content: Content | DataError


def collect_items(
    rows: Iterable[Row[Content]], parse: Callable[[int, Content], Item], source: Path, *, skip_missing: bool
) -> Items:
    """Parse all rows, each given by number and content; what cannot be used is recorded in ``skipped`` of the result.

    Raises:
        MissingImageError: Some images are not there and ``skip_missing`` is false, or none is there.
        DataError: There is no row, or no usable one.
    """
    items, faults = Items(), _Faults()
    row_of_id: dict[str, int] = {}
    total = 0
    for row in rows:
        total += 1
        try:
            if isinstance(row.content, DataError):
                raise row.content
            item = parse(row.number, row.content)
            _check_unique(item, row, row_of_id)
        except (RowFault, DataError, UsageError, MediumNotFound) as error:  # an Item knows rules of its own
            faults.add(row.number, error)
        else:
            items.append(item)
    missing, total_faults = faults.missing, len(faults.skipped)
    if missing and (not skip_missing if items else 2 * len(missing) >= total_faults):
        raise _missing_images(missing, total, source)
    items.skipped = sorted(faults.skipped)
    if not items:
        raise _nothing(faults, total, source)
    if items.skipped:
        _say_skipped(source, total, len(items.skipped), _row(items.skipped[0]))
    return items


class _Faults:
    """Rows that cannot be used, and in how many different ways."""

    def __init__(self) -> None:
        self.skipped: list[Skipped] = []
        self.ways: set[str] = set()

    def add(self, number: int, error: Exception) -> None:
        """Record a row by what its parsing raised."""
        fault = error.fault if isinstance(error, RowFault) else error
        said = f"{error} is missing." if isinstance(fault, MediumNotFound) else str(error)
        kind = {MediumNotFound: MediumMissing, SameAnswers: Agreeing}.get(type(fault), Skipped)
        self.skipped.append(kind(number, printable(said)))
        self.ways.add(printable(str(fault)))

    @property
    def missing(self) -> list[Skipped]:
        """Those whose medium is missing."""
        return [one for one in self.skipped if isinstance(one, MediumMissing)]


@contextmanager
def named(row: Mapping[str, Any]) -> Iterator[None]:
    """Tell what is wrong with a row by the row's own id, if it has one."""
    try:
        yield
    except (DataError, UsageError, MediumNotFound) as error:
        if isinstance(row.get("id"), str | int):
            raise RowFault(row["id"], error) from error
        raise


def file_in(folder: Path, name: str, kind: Modality) -> MediaFile:
    """The file of a medium. Raises MediumNotFound if there is none."""
    path = folder / name
    if not is_there(path) and not _is_folder_of_one(path, kind):
        raise MediumNotFound(f"{kind} {path!s:.200}")
    return MediaFile(path, kind)


def _is_folder_of_one(path: Path, kind: Modality) -> bool:
    from trimtab.media import medium_kind

    try:
        return medium_kind(kind).in_folder and path.is_dir()
    except (OSError, ValueError):
        return False


def is_there(path: Path) -> bool:
    """Whether a file exists; a name that no file can have (too long, or with a NUL) does not."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


@contextmanager
def open_text(source: Path) -> Iterator[TextIO]:
    """A file as text, read as it is asked for; bytes that are no UTF-8 come as lone surrogates, for the row to refuse.

    Raises:
        DataError: It cannot be read, now or later.
    """
    try:
        with source.open(encoding="utf-8-sig", errors="surrogateescape") as file:
            yield file
    except MissingImageError:
        raise
    except OSError as error:
        raise DataError(f"source {source} cannot be read ({error.strerror or error}); check the file.") from error


def printable(text: str) -> str:
    """A reason as it can be printed and stored anywhere, whatever the row put into it."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _check_unique(item: Item, row: Row, row_of_id: dict[str, int]) -> None:
    first = row_of_id.setdefault(item.id, row.number)
    if first != row.number:
        raise DataError(f"id '{item.id}' must be unique; row {first} has it too.")


def _row(one: Skipped) -> str:
    return f"row {one.row}: {one.reason.rstrip('.')}"


def _rows(skipped: list[Skipped]) -> str:
    more = len(skipped) - _SHOWN
    return "; ".join(map(_row, skipped[:_SHOWN])) + (f"; and {more} more" if more > 0 else "")


def _missing_images(missing: list[Skipped], total: int, source: Path) -> MissingImageError:
    return MissingImageError(
        f"images must hold the files that rows of {source} name; {len(missing)} of {total} rows lack one "
        f"({_rows(missing)}); correct the folder (--images, or images=), or leave these rows out (--skip-missing, or "
        "skip_missing=True)."
    )


def _nothing(faults: _Faults, total: int, source: Path) -> DataError:
    if not total:
        return DataError(f"source {source} must hold at least one row; it is empty.")
    why = f"of each: {faults.ways.pop()}" if len(faults.ways) == 1 and total > 1 else f"{_rows(faults.skipped)}."
    hint = "" if source.suffix in MAPPINGS or _MISSING not in why else _OTHER_NAMES
    return DataError(f"source {source} has no usable row among {total} ({why}){hint}")


@cache
def _say_skipped(source: Path, total: int, count: int, first: str) -> None:
    """Say that rows were skipped, once: a verb that takes two splits of a file reads it twice."""
    more = f"; and {count - 1} more; `trimtab data show` lists all" if count > 1 else ""
    _log.warning("%s: %d of %d rows skipped (%s%s).", source, count, total, first, more)
