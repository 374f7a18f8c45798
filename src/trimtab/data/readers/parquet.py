"""Parquet: one item a row, images as paths, as bytes, or as the ``datasets`` library stores them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trimtab.data.images import ImageBytes, ImageFile, ImageSource
from trimtab.data.items import Item, Items
from trimtab.data.readers.collect import Row, collect_items, image_in
from trimtab.data.readers.rows import item_from_row
from trimtab.errors import DataError


def read_parquet(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of a Parquet file; see ``read_items``."""

    def parse(row: Row) -> Item:
        name = f"in row {row.number} of {source}"
        return item_from_row(row.content, _image(row.content.get("image"), images, name))

    return collect_items(_rows(source), parse, source, skip_missing=skip_missing)


def _rows(source: Path) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # One batch at a time, so that the pictures of a large file are not held twice.
        with pq.ParquetFile(source) as file:
            number = 0
            for batch in file.iter_batches():
                for content in batch.to_pylist():
                    number += 1
                    yield Row(number, content)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"source {source} of read_items must be a Parquet file; it cannot be read ({error})."
        ) from error


def _image(value: Any, images: Path, name: str) -> ImageSource | None:
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        value = value.get("bytes") or value.get("path")
    if value is None:
        return None
    if isinstance(value, bytes):
        return ImageBytes(value, name)
    if isinstance(value, str) and value.strip():
        return ImageFile(image_in(images, value.strip()))
    raise DataError(f"field 'image' must be a path, bytes, or a pair of both; it is {value!r:.60}.")
