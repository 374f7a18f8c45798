"""JSON Lines: one item a line, what they show as paths relative to a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from trimtab.errors import DataError
from trimtab.items.item import Item, Items
from trimtab.items.readers.collect import Row, collect_items, file_in, named, open_text
from trimtab.items.readers.json_text import as_object, parse_json
from trimtab.items.readers.rows import item_from_row, path_field
from trimtab.items.sources import MediaSource
from trimtab.modalities import SHOWN, Modality, place_of

LONGEST_LINE = 2**26
"""Characters of a line; a file without line breaks must not be taken into memory as one row."""


def read_jsonl(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of a JSON Lines file; see ``read_items``. One line is held at a time."""

    def parse(_number: int, line: str) -> Item:
        try:
            content = parse_json(line)
        except DataError as error:
            raise DataError(f"the line is not valid JSON ({error}).") from error
        content = as_object(content, "the line")
        with named(content):
            media: dict[Modality, MediaSource] = {}
            for kind in SHOWN:
                if content.get(place_of(kind)) is not None:
                    media[kind] = file_in(images, path_field(content, place_of(kind)), kind)
            return item_from_row(content, media)

    with open_text(source) as file:
        return collect_items(json_lines(file), parse, source, skip_missing=skip_missing)


def json_lines(file: TextIO) -> Iterator[Row[str]]:
    """Yield the lines of a file, one held at a time; empty ones are left out."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith("\n"):
            while (rest := file.readline(LONGEST_LINE)) and not rest.endswith("\n"):
                pass
            yield Row(number, DataError(f"the line must have fewer than {LONGEST_LINE} characters; it has more."))
            continue
        line = line.strip().strip("\ufeff")  # files that were put together have byte order marks inside
        if line:
            yield Row(number, _decoded(line))


def _decoded(line: str) -> str | DataError:
    """Return the line, or what is wrong with its bytes, which ``open_text`` let through as lone surrogates."""
    if line.isascii():
        return line
    try:
        line.encode()
    except UnicodeEncodeError as error:
        byte = ord(line[error.start]) & 0xFF
        return DataError(f"the line is not UTF-8 text: byte 0x{byte:02x} at character {error.start + 1}.")
    return line
