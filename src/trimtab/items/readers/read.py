"""``read_items``: the one way in, whatever the format."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path
from typing import Any

from trimtab.errors import DataError, UsageError
from trimtab.items.item import Items
from trimtab.items.readers.arrow import is_datasets_folder
from trimtab.items.readers.collect import MAPPINGS, open_text
from trimtab.items.readers.json_text import parse_json
from trimtab.items.readers.jsonl import read_jsonl
from trimtab.items.readers.mapped import mapped_files, read_arrow, read_mapped
from trimtab.items.readers.mapping import read_mapping
from trimtab.items.readers.mc2 import read_mc2
from trimtab.items.readers.parquet import read_parquet
from trimtab.items.readers.pocket import POCKET_SOURCES, read_pocket
from trimtab.items.readers.vqa import annotations_of, is_vqa, read_vqa
from trimtab.items.splits import split_items
from trimtab.nearest import did_you_mean, did_you_mean_path

_log = logging.getLogger(__name__)

FORMATS = (".jsonl", ".parquet", ".arrow", ".json", *MAPPINGS)

SHARES = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""Shares of the splits of a file that names none."""


def read_items(
    source: str | Path,
    split: str | None = None,
    images: str | Path | None = None,
    *,
    skip_missing: bool = False,
) -> Items:
    """Read items from the bundled benchmark or from a file.

    Rows that cannot be used do not stop the others: they are listed in ``.skipped`` of the result, with
    their number and the reason, and logged as a warning.

    Args:
        source: ``pocket-mc2:train``, ``:validation`` or ``:test``; or ``pocket-interference:`` with one of these;
            or a ``.jsonl``, ``.parquet`` or ``.arrow`` file, or a folder that ``datasets`` saved, with the fields of
            ``Item``; or a ``.yaml`` that maps the columns of any of these; or MC²'s or VQA's own ``.json``.
            ``FILE:train`` and so on takes one split of a file; one that names no splits, as MC²'s, is split by
            ``split_items``: 60, 20 and 20 % of its pictures, which is logged as a warning.
        split: Keep the items of this split only; the same as ``FILE:SPLIT``.
        images: The folder that image paths start from; the file's own folder if it is None. For MC² the COCO
            folder; if it is None, items load without their pictures, and opening one raises.
        skip_missing: Leave out (and list in ``.skipped``) rows whose image file is missing.

    Raises:
        UsageError: The source's kind, the split or the folder is not one of those above.
        DataError: The file is not there, broken, empty or without a usable row.
        MissingImageError: Images are missing; one error counts them all.
    """
    if str(source).split(":")[0] in POCKET_SOURCES:
        return read_pocket(str(source), split)
    path, named = _parted(source)
    if split and named and split != named:
        raise UsageError(
            f"split must be given once; it is '{split}', and source '{source}' names another; leave one out."
        )
    items = _read_file(Path(path), None if images is None else _folder(images), skip_missing=skip_missing)
    wanted = split or named
    if not wanted:
        return items
    if wanted in SHARES and all(item.split is None for item in items):
        return _made(items, wanted, Path(path))
    return _only(items, wanted, Path(path))


def files_of(source: str) -> list[Path]:
    """Return the files that a source of items is read from, as far as they are there; none of the bundled ones."""
    if source.split(":")[0] in POCKET_SOURCES:
        return []
    path = Path(_parted(source)[0])
    if path.suffix.lower() not in MAPPINGS or not path.is_file():
        return [path] if path.exists() else []
    return [path, *(file for file, _split in mapped_files(read_mapping(path)))]


def _parted(source: str | Path) -> tuple[str, str]:
    """Return a source's path, and the split that it names; empty for none."""
    path, _, named = str(source).rpartition(":")
    if named not in SHARES and Path(path).suffix.lower() not in FORMATS and not is_datasets_folder(Path(path)):
        return str(source), ""
    return path, named


def _made(items: Items, wanted: str, source: Path) -> Items:
    """Take a split of a file that names none, and say what was done."""
    made = split_items(items, SHARES)
    _say_shared(source, ", ".join(f"{len(part)} {name}" for name, part in made.items()))
    return Items(made[wanted], items.skipped)


@cache
def _say_shared(source: Path, sizes: str) -> None:
    """Say how a file was shared out, once: a verb that takes two splits of it reads it twice."""
    _log.warning(
        "%s names no splits, so its items were shared out by picture: %s; write splits with `trimtab data split`.",
        source,
        sizes,
    )


def _read_file(path: Path, images: Path | None, *, skip_missing: bool) -> Items:
    kind = path.suffix.lower()
    if is_datasets_folder(path):
        return read_arrow(path, path if images is None else images, skip_missing=skip_missing)
    if kind not in FORMATS:
        raise UsageError(
            "source must be 'pocket-mc2:SPLIT', a .jsonl, .parquet, .arrow or .json file, a folder that "
            f"datasets saved, or a mapping of columns (.yaml); it is '{path}'"
            + did_you_mean(path, POCKET_SOURCES, "convert it to one of these")
        )
    if not path.is_file():
        raise DataError(
            f"source must be an existing file; '{path}' is none"
            + did_you_mean_path(path, lambda one: one.suffix.lower() in FORMATS, "check the path")
        )
    if kind in MAPPINGS:
        return read_mapped(path, images, skip_missing=skip_missing)
    if kind == ".json":
        content = _json(path)
        if is_vqa(content):
            answers = _json(annotations_of(path))
            return read_vqa(path, content, answers, images, skip_missing=skip_missing)
        return read_mc2(path, content, images, skip_missing=skip_missing)
    read = {".jsonl": read_jsonl, ".parquet": read_parquet, ".arrow": read_arrow}[kind]
    return read(path, path.parent if images is None else images, skip_missing=skip_missing)


def _json(path: Path) -> Any:
    with open_text(path) as file:
        text = file.read()
    try:
        return parse_json(text)
    except DataError as error:
        raise DataError(
            f"source {path} must be valid JSON; it is not ({error}); "
            "save one item a line as .jsonl if it is data of your own."
        ) from error


def _folder(images: str | Path) -> Path:
    folder = Path(images)
    if not folder.is_dir():
        raise UsageError(f"images must be an existing folder, not '{folder}'; check the path.")
    return folder


def _only(items: Items, split: str, source: Path) -> Items:
    kept = Items((item for item in items if item.split == split), items.skipped)
    if not kept:
        splits = sorted({item.split for item in items if item.split is not None})
        has = f"has {', '.join(splits)}" if splits else "names none, so only train, validation and test can be made"
        raise UsageError(f"split must occur in {source}; it is '{split}'; the file {has}.")
    if without := sum(item.split is None for item in items):
        _say_without(source, without, len(items))
    return kept


@cache
def _say_without(source: Path, without: int, total: int) -> None:
    """Say once how many items are in no split."""
    _log.warning("%d of the %d items of %s name no split, and are in none.", without, total, source)
