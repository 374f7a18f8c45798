"""What a row of a table shows: a path, bytes, a pair of both as ``datasets`` keeps it, or a cell on the disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trimtab.errors import DataError
from trimtab.items.readers.collect import file_in
from trimtab.items.readers.rows import path_field
from trimtab.items.sources import MediaBytes, MediaSource
from trimtab.modalities import SHOWN, Modality, place_of


def media_of(row: Mapping[str, Any], images: Path, name: str) -> dict[Modality, MediaSource]:
    """Return what a row shows, by modality.

    Args:
        row: The row, with the columns of items.
        images: The folder that paths start from.
        name: What an error calls the row.

    Raises:
        DataError: A value is none that a medium can be in.
    """
    media: dict[Modality, MediaSource] = {}
    for kind in SHOWN:
        if found := _medium(row, kind, images, name):
            media[kind] = found
    return media


def _medium(row: Mapping[str, Any], kind: Modality, images: Path, name: str) -> MediaSource | None:
    column = place_of(kind)
    value = row.get(column)
    if isinstance(value, dict) and {"bytes", "path"} & value.keys():
        value = value.get("bytes") or value.get("path")
    if value is None or isinstance(value, MediaSource):
        return value
    if isinstance(value, bytes):
        return MediaBytes(value, name, kind)
    if isinstance(value, str) and value.strip():
        return file_in(images, path_field({column: value}, column), kind)
    raise DataError(f"field '{column}' must be a path, bytes, or a pair of both; it is {value!r:.60}.")
