"""Items of any table, by a mapping of its columns: JSON Lines, JSON, Parquet, Arrow, and folders of ``datasets``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from trimtab.errors import DataError, UsageError
from trimtab.items.item import Item, Items
from trimtab.items.readers.arrow import arrow_files, arrow_rows, is_datasets_folder
from trimtab.items.readers.collect import Row, collect_items, named, open_text
from trimtab.items.readers.json_text import as_object, parse_json
from trimtab.items.readers.jsonl import json_lines
from trimtab.items.readers.mapping import ColumnMapping, read_mapping
from trimtab.items.readers.media import media_of
from trimtab.items.readers.parquet import parquet_rows
from trimtab.items.readers.rows import KNOWN, item_from_row
from trimtab.modalities import SHOWN, Modality, place_of
from trimtab.nearest import did_you_mean_path

PEEKED = 50
"""Rows of a file of JSON that say which columns it has."""

Table = Iterator[Row[dict[str, Any]]]
Numbered = Iterator[Row[tuple[dict[str, Any], str | None]]]


def read_mapped(path: Path, images: Path | None, *, skip_missing: bool) -> Items:
    """Items of the table that a mapping in YAML describes; see ``read_items``.

    Raises:
        UsageError: The mapping is wrong.
        DataError: The table cannot be read, or holds no usable row.
    """
    mapping = read_mapping(path)
    own = path.parent / mapping.images if mapping.images is not None else None
    folder = images or own or path.parent

    def expanded() -> Iterator[Row[dict[str, Any]]]:
        for row in _checked(mapping, _every_row(mapping)):
            if isinstance(row.content, DataError):
                yield Row(row.number, row.content)
                continue
            try:
                for made in mapping.rows_of(row.number, *row.content):
                    yield Row(row.number, made)
            except DataError as error:
                yield Row(row.number, error)

    def parse(number: int, content: dict[str, Any]) -> Item:
        with named(content):
            return item_from_row(content, media_of(content, folder, f"in row {number} of {mapping.file}"))

    return collect_items(expanded(), parse, path, skip_missing=skip_missing)


def read_arrow(source: Path, images: Path, *, skip_missing: bool) -> Items:
    """Items of an Arrow file, or a folder of ``datasets``, whose columns are those of items; see ``read_items``."""

    def parse(number: int, content: tuple[dict[str, Any], str | None]) -> Item:
        row, split = content
        whole = row if split is None else {"split": split, **row}
        with named(whole):
            return item_from_row(whole, media_of(whole, images, f"in row {number} of {source}"))

    kinds: dict[str, Modality] = {}
    for kind in SHOWN:
        kinds[place_of(kind)] = kind
    files = arrow_files(source) if source.is_dir() else [(source, None)]
    tables = ((arrow_rows(file, KNOWN, kinds), split) for file, split in files)
    return collect_items(_numbered(tables), parse, source, skip_missing=skip_missing)


def _numbered(tables: Iterator[tuple[Table, str | None]]) -> Numbered:
    """Number the rows of several tables on, each with the split that its table is of."""
    number = 0
    for rows, split in tables:
        for row in rows:
            number += 1
            yield Row(number, row.content if isinstance(row.content, DataError) else (row.content, split))


def _every_row(mapping: ColumnMapping) -> Numbered:
    return _numbered((_table(file, mapping), split) for file, split in mapped_files(mapping))


def _checked(mapping: ColumnMapping, rows: Numbered) -> Numbered:
    """Refuse a mapping that names columns which the first rows do not have, or, if they may be left out, no row has."""
    first = list(islice(rows, PEEKED))
    sound = [row.content[0] for row in first if not isinstance(row.content, DataError)]
    lacking = mapping.check_columns(sound) if sound else {}
    yield from first
    for row in rows:
        if lacking and not isinstance(row.content, DataError):
            there = row.content[0].keys()
            lacking = {what: way for what, way in lacking.items() if not {way, way.split(".")[0]} & there}
        yield row
    for what, way in lacking.items():
        mapping.refuse(what, way, sound)


def mapped_files(mapping: ColumnMapping) -> list[tuple[Path, str | None]]:
    """Return the files that a mapping reads, each with the split that it is of, if that is known.

    Raises:
        UsageError: There is none.
    """
    home = mapping.path.parent
    whole = home / mapping.file
    if is_datasets_folder(whole):
        return arrow_files(whole)
    found = [whole] if whole.is_file() else sorted(one for one in home.glob(mapping.file) if one.is_file())
    if not found or any(one.suffix.lower() not in TABLES for one in found):
        raise UsageError(
            f"`file` of {mapping.path} must be a file or a pattern of files ({', '.join(TABLES)}) or a folder that "
            f"datasets saved, from {home}; got {mapping.file!r}, {len(found)} files"
            + did_you_mean_path(whole, lambda one: one.suffix.lower() in TABLES, "correct the path")
        )
    return [(one, None) for one in found]


def _table(file: Path, mapping: ColumnMapping) -> Table:
    return TABLES[file.suffix.lower()](file, mapping)


def _arrow(file: Path, mapping: ColumnMapping) -> Table:
    return arrow_rows(file, mapping.wanted, mapping.media)


def _parquet(file: Path, mapping: ColumnMapping) -> Table:
    return parquet_rows(file, mapping.wanted)


def _jsonl(file: Path, mapping: ColumnMapping) -> Table:
    with open_text(file) as text:
        for row in json_lines(text):
            yield Row(row.number, row.content if isinstance(row.content, DataError) else _object(row.content))


def _json(file: Path, mapping: ColumnMapping) -> Table:
    with open_text(file) as text:
        held = _parsed(text.read())
    if isinstance(held, DataError):
        raise DataError(f"source {file} of {mapping.path} cannot be read: {held}")
    if not isinstance(held, list):
        raise DataError(
            f"source {file} of {mapping.path} must hold a JSON list; it holds {held!r:.40}; save it as .jsonl."
        )
    for number, one in enumerate(held, start=1):
        yield Row(number, _sound(one))


def _object(line: str) -> dict[str, Any] | DataError:
    found = _parsed(line)
    return found if isinstance(found, DataError) else _sound(found)


def _parsed(text: str) -> object:
    try:
        return parse_json(text)
    except DataError as error:
        return DataError(f"it is not valid JSON ({error}).")


def _sound(content: object) -> dict[str, Any] | DataError:
    try:
        return as_object(content, "the row")
    except DataError as error:
        return error


TABLES: Mapping[str, Any] = {".arrow": _arrow, ".parquet": _parquet, ".jsonl": _jsonl, ".json": _json}
"""What reads a table of each ending."""
