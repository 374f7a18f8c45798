"""Parquet: one item a row, what they show as paths, as bytes, or as the ``datasets`` library stores them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import DataError
from trimtab.items.item import Item, Items
from trimtab.items.readers.collect import Row, collect_items, file_in
from trimtab.items.readers.rows import KNOWN, item_from_row, path_field
from trimtab.items.sources import MediaBytes, MediaSource
from trimtab.modalities import SHOWN, Modality, place_of

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetFile

BATCH = 256
"""Rows decoded at a time, so that the media of a large file are not held twice."""


class _Unread:
    """Stands for the value of a column that no item has: only its name matters, to find misspelt fields."""


def read_parquet(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of a Parquet file; see ``read_items``."""

    def parse(number: int, content: dict[str, Any]) -> Item:
        name = f"in row {number} of {source}"
        media: dict[Modality, MediaSource] = {}
        for kind in SHOWN:
            if found := _medium(content, kind, images, name):
                media[kind] = found
        return item_from_row(content, media)

    return collect_items(_rows(source), parse, source, skip_missing=skip_missing)


def _rows(source: Path) -> Iterator[Row[dict[str, Any]]]:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(source)
    except Exception as error:  # whatever the decoder makes of a damaged file
        raise DataError(
            f"source {source} of read_items must be a Parquet file; it cannot be read ({error})."
        ) from error
    with file:
        columns = _known(file.schema_arrow.names, source)
        number = 0
        for group in range(file.num_row_groups):
            end = number + file.metadata.row_group(group).num_rows
            for content in _group(file, group, columns):
                number += 1
                yield Row(number, content)
            for lost in range(number + 1, end + 1):
                yield Row(lost, DataError("the row cannot be read: its part of the file is damaged."))
            number = end


def _known(names: Sequence[str], source: Path) -> list[str]:
    """The columns that items have. Raises DataError if one stands there twice."""
    known = [name for name in names if name in KNOWN]
    twice = next((name for name in known if known.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"source {source} of read_items must have each column once; it has '{twice}' twice.")
    return known


def _group(file: ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, Any] | DataError]:
    """The rows of a row group, as far as they can be decoded."""
    others = {name: _Unread() for name in file.schema_arrow.names if name not in columns}
    if not columns:  # a file without columns has no rows for the decoder
        yield from (dict(others) for _ in range(file.metadata.row_group(group).num_rows))
        return
    try:
        for batch in file.iter_batches(BATCH, [group], columns=columns):
            for content in _decoded(batch):
                yield content if isinstance(content, DataError) else {**others, **content}
    except MemoryError:
        raise
    except Exception:  # whatever the decoder makes of a damaged page; the caller counts the rows that are lost
        return


def _decoded(batch: pa.RecordBatch) -> list[dict[str, Any] | DataError]:
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


def _medium(row: dict[str, Any], kind: Modality, images: Path, name: str) -> MediaSource | None:
    column = place_of(kind)
    value = row.get(column)
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        value = value.get("bytes") or value.get("path")
    if value is None:
        return None
    if isinstance(value, bytes):
        return MediaBytes(value, name, kind)
    if isinstance(value, str) and value.strip():
        return file_in(images, path_field({column: value}, column), kind)
    raise DataError(f"field '{column}' must be a path, bytes, or a pair of both; it is {value!r:.60}.")
