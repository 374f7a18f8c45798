"""JSON Lines: one item a line, images as paths relative to a folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from trimtab.data.images import ImageFile
from trimtab.data.items import Item, Items
from trimtab.data.readers.collect import Row, collect_items, image_in, open_text
from trimtab.data.readers.rows import item_from_row, text_field
from trimtab.errors import DataError


def read_jsonl(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of a JSON Lines file; see ``read_items``."""

    def parse(row: Row) -> Item:
        content = _object(row.content)
        has_image = content.get("image") is not None
        path = image_in(images, text_field(content, "image")) if has_image else None
        return item_from_row(content, ImageFile(path) if path else None)

    return collect_items(_lines(source), parse, source, skip_missing=skip_missing)


def _lines(source: Path) -> Iterator[Row]:
    for number, line in enumerate(open_text(source).split("\n"), start=1):
        if line.strip():
            yield Row(number, line)


def _object(line: str) -> dict:
    try:
        content = json.loads(line)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"the line is not valid JSON ({error}).") from error
    if not isinstance(content, dict):
        raise DataError(f"the line must be a JSON object; it is {content!r:.60}.")
    return content
