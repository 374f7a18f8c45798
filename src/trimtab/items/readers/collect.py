"""Turning rows into items: bad rows are recorded, missing images reported together, ids kept unique."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, NamedTuple, TextIO, TypeVar

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items.item import Item, Items, Skipped
from trimtab.items.sources import MediaFile
from trimtab.modalities import Modality

Content = TypeVar("Content")
"""What a file gives for a row."""

_SHOWN = 5
_MISSING = " missing; "  # as a reason about fields says it
_log = logging.getLogger(__name__)


class MediumNotFound(Exception):
    """Internal: a row is fine, but what it shows is not there; says which file was looked for."""


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
    items = Items()
    missing: list[Skipped] = []
    row_of_id: dict[str, int] = {}
    total = 0
    for row in rows:
        total += 1
        try:
            if isinstance(row.content, DataError):
                raise row.content
            item = parse(row.number, row.content)
            _check_unique(item, row, row_of_id)
        except (DataError, UsageError) as error:  # of the reader, or of the item, which knows rules of its own
            items.skipped.append(Skipped(row.number, printable(str(error))))
        except MediumNotFound as error:
            missing.append(Skipped(row.number, printable(f"{error} is missing.")))
        else:
            items.append(item)
    if missing and (not skip_missing or not items):
        raise _missing_images(missing, total, source)
    items.skipped = sorted([*items.skipped, *missing])
    _report(items, total, source)
    return items


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


def _missing_images(missing: list[Skipped], total: int, source: Path) -> MissingImageError:
    shown = "; ".join(f"row {row}: {reason.rstrip('.')}" for row, reason in missing[:_SHOWN])
    return MissingImageError(
        f"images of read_items must hold the files that rows of {source} name; {len(missing)} of {total} rows "
        f"lack one ({shown}{'; ...' if len(missing) > _SHOWN else ''}); "
        "correct images= (--images), or leave these rows out with skip_missing=True (--skip-missing)."
    )


def _report(items: Items, total: int, source: Path) -> None:
    shown = "; ".join(f"row {row}: {reason}" for row, reason in items.skipped[:_SHOWN])
    if not total:
        raise DataError(f"source {source} of read_items must hold at least one row; it is empty.")
    if not items:
        same = len({reason for _, reason in items.skipped}) == 1
        why = f"of each: {items.skipped[0].reason}" if same and total > 1 else shown
        hint = " Where columns have other names, a mapping says which: docs/data.md." if _MISSING in shown else ""
        raise DataError(f"source {source} of read_items has no usable row among {total} ({why}){hint}")
    if items.skipped:
        _log.warning("%s: %d of %d rows skipped (%s)", source, len(items.skipped), total, shown)
