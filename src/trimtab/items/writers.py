"""Writing items so that ``read_items`` gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from trimtab.errors import DataError, UsageError
from trimtab.files import check_writable, write_whole
from trimtab.items.item import Item
from trimtab.items.readers.rows import item_from_row
from trimtab.items.relevance import relevant_name
from trimtab.items.sources import MediaSource
from trimtab.modalities import PAIR, Modality, in_order, place_of

_TEXTS = ("id", "task", "question", "context", "answer_image", "answer_text", "split", "relevant")
_LISTS = ("aliases_image", "aliases_text", "choices", "tags")
OWNER = "`path` of write_items"
_FOLDERS = {"image": "images"}
# Items whose media are held in memory at a time while a Parquet file is written.
_ROWS_PER_GROUP = 128


def write_items(items: Iterable[Item], path: str | Path) -> Path:
    """Write items to a ``.jsonl`` file with a folder for each kind of media beside it, or to one ``.parquet`` file.

    Pictures keep their encoded bytes; scenes become PNG. The file appears whole or not at all.

    Returns:
        The path written.

    Raises:
        UsageError: The suffix is another one, or there is no item.
        DataError: An item cannot be read again as it is, an image is corrupt, or the disk refuses.
        MissingImageError: An image is gone, or was never located.
    """
    path = Path(path)
    rows = list(items)
    write = {".jsonl": _write_jsonl, ".parquet": _write_parquet}.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"path of write_items must end in .jsonl or .parquet; it is '{path}'.")
    if not rows:
        raise UsageError("items of write_items must not be empty; there is nothing to write.")
    _check(rows)
    check_writable(path, OWNER, DataError)
    return write_whole(path, lambda part: write(rows, part, path), owner=OWNER, error=DataError)


def _check(items: Sequence[Item]) -> None:
    """Refuse items that ``read_items`` would not give back: it trims texts, and takes an id once."""
    seen: set[str] = set()
    for item in items:
        kinds = _further([item])
        try:
            media: dict[Modality, MediaSource] = {
                kind: source for kind in item.modalities if (source := item.source_of(kind)) is not None
            }
            again = item_from_row(_fields(item, kinds), media)
        except DataError as error:
            raise DataError(
                f"item {item.id!r:.60} of write_items must be one that read_items takes; {error}"
            ) from error
        if again.id in seen:
            raise DataError(f"items of write_items must have an id each; two have {again.id!r:.60}; rename one.")
        seen.add(again.id)


def _write_jsonl(items: Sequence[Item], part: Path, path: Path) -> None:
    with part.open("w", encoding="utf-8") as file:
        for item in items:
            kinds = _further([item])
            media = {name: source and _save(source, item.id, path) for name, source in _media(item, kinds).items()}
            file.write(json.dumps({**_fields(item, kinds), **media}, ensure_ascii=False) + "\n")


def _save(source: MediaSource, item_id: str, path: Path) -> str:
    """Save a medium, once however many items share it; what is returned is relative to the items' file."""
    from trimtab.media import medium_kind

    data, folder = source.encoded(), path.with_name(f"{path.stem}-{_FOLDERS.get(source.kind, source.kind)}")
    suffix = medium_kind(source.kind).suffix(data, f"of item {item_id}")
    saved = folder / f"{source.fingerprint[:32]}{suffix}"
    if not saved.exists():
        write_whole(saved, data, owner=OWNER, error=DataError)
    return f"{folder.name}/{saved.name}"


def _write_parquet(items: Sequence[Item], part: Path, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = _further(items)
    cell = pa.struct([("bytes", pa.binary()), ("path", pa.string())])  # as `datasets` keeps media
    kind_of = {str: pa.string(), tuple: pa.list_(pa.string()), bool: pa.bool_(), bytes: cell}
    texts, lists = _columns(kinds)
    names = {**dict.fromkeys(texts, str), **dict.fromkeys(lists, tuple), "closed": bool}
    names |= dict.fromkeys(_media(items[0], kinds), bytes)
    schema = pa.schema([(name, kind_of[kind]) for name, kind in names.items()], _features(names))
    with pq.ParquetWriter(part, schema) as writer:
        for start in range(0, len(items), _ROWS_PER_GROUP):
            rows = [
                {**_fields(item, kinds), **{name: one and _cell(one) for name, one in _media(item, kinds).items()}}
                for item in items[start : start + _ROWS_PER_GROUP]
            ]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _cell(source: MediaSource) -> dict[str, bytes | None]:
    return {"bytes": source.encoded(), "path": None}


def _features(names: Mapping[str, type]) -> dict[str, str]:
    """Return what the ``datasets`` library and the Hub read of a Parquet file: which columns hold which media."""
    plain = {str: "string", bool: "bool"}
    features: dict[str, Any] = {
        name: {"dtype": plain[kind], "_type": "Value"} for name, kind in names.items() if kind in plain
    }
    text = {"dtype": "string", "_type": "Value"}
    features |= {name: {"feature": text, "_type": "List"} for name, kind in names.items() if kind is tuple}
    features |= {name: {"_type": name.capitalize()} for name, kind in names.items() if kind is bytes}
    return {"huggingface": json.dumps({"info": {"features": {name: features[name] for name in names}}})}


def _further(items: Iterable[Item]) -> tuple[Modality, ...]:
    """The modalities beside image and text that items have evidence of; files get columns for them only then."""
    return in_order(name for item in items for name in item.modalities if name not in PAIR)


def _columns(kinds: tuple[Modality, ...]) -> tuple[list[str], list[str]]:
    """The columns that hold a text, and those that hold a list of texts."""
    texts = [*_TEXTS, *(f"answer_{kind}" for kind in kinds)]
    return texts, [*_LISTS, *(f"aliases_{kind}" for kind in kinds)]


def _fields(item: Item, kinds: tuple[Modality, ...]) -> dict[str, Any]:
    texts, lists = _columns(kinds)
    found = {name: getattr(item, name) for name in (*texts, *lists, "closed")}
    return {**found, "relevant": relevant_name(item.relevant)}


def _media(item: Item, kinds: tuple[Modality, ...]) -> dict[str, MediaSource | None]:
    """What an item shows by its column."""
    return {place_of(kind): item.source_of(kind) for kind in ("image", *kinds)}
