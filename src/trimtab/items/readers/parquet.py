"""Parquet: one item a row, what they show as paths, as bytes, or as the ``datasets`` library stores them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import DataError
from trimtab.items.item import Item, Items
from trimtab.items.readers.collect import Row, collect_items, named
from trimtab.items.readers.media import media_of
from trimtab.items.readers.rows import KNOWN, item_from_row

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

BATCH = 256
"""Rows decoded at a time, so that the media of a large file are not held twice."""


class Unread:
    """Stands for the value of a column that no item has: only its name matters, to find misspelt fields."""


def read_parquet(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of a Parquet file; see ``read_items``."""

    def parse(number: int, content: dict[str, Any]) -> Item:
        with named(content):
            return item_from_row(content, media_of(content, images, f"in row {number} of {source}"))

    return collect_items(parquet_rows(source, KNOWN), parse, source, skip_missing=skip_missing)


def parquet_rows(source: Path, wanted: Collection[str]) -> Iterator[Row[dict[str, Any]]]:
    """Yield the rows of a file; columns that are not wanted stand there by name alone.

    Raises:
        DataError: It cannot be read, or has a column twice.
    """
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
    except Exception as error:  # whatever the decoder makes of a damaged file
        raise DataError(f"source {source} must be a Parquet file; it cannot be read ({error}).") from error
    with file:
        columns = known_columns(file.schema_arrow.names, wanted, source)
        number = 0
        for group in range(file.num_row_groups):
            end = number + file.metadata.row_group(group).num_rows
            for content in _group(file, group, columns):
                number += 1
                yield Row(number, content)
            for lost in range(number + 1, end + 1):
                yield Row(lost, DataError("the row cannot be read: its part of the file is damaged."))
            number = end


def known_columns(names: Sequence[str], wanted: Collection[str], source: Path) -> list[str]:
    """The columns that are wanted. Raises DataError if one stands there twice."""
    known = [name for name in names if name in wanted]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"source {source} must have each column once; it has '{twice}' twice.")
    return known


def _group(file: ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, Any] | DataError]:
    """The rows of a row group, as far as they can be decoded."""
    others = {name: Unread() for name in file.schema_arrow.names if name not in columns}
    if not columns:  # a file without columns has no rows for the decoder
        yield from (dict(others) for _ in range(file.metadata.row_group(group).num_rows))
        return
    try:
        for batch in file.iter_batches(BATCH, [group], columns=columns):
            for content in decoded(batch):
                yield content if isinstance(content, DataError) else {**others, **content}
    except MemoryError:
        raise
    except Exception:  # whatever the decoder makes of a damaged page; the caller counts the rows that are lost
        return


def decoded(batch: pa.RecordBatch) -> list[dict[str, Any] | DataError]:
    """Return the rows of a batch, a ``DataError`` for each that cannot be decoded."""
    try:
        return list(batch.to_pylist())
    except MemoryError:
        raise
    except Exception:  # one value of one row; which one is found row by row
        return [_row(batch.slice(place, 1)) for place in range(batch.num_rows)]


def _row(batch: pa.RecordBatch) -> dict[str, Any] | DataError:
    found: dict[str, Any] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        try:
            found[name] = column[0].as_py()
        except Exception as error:  # no UTF-8, a time that no clock shows, ...
            return DataError(f"field '{name}' cannot be read ({error}).")
    return found
