"""Writing items so that ``read_items`` gives them back."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from trimtab.errors import DataError, UsageError
from trimtab.files import check_writable, write_whole
from trimtab.items.item import Item
from trimtab.items.sources import MediaSource

_TEXTS = ("id", "task", "question", "context", "answer_image", "answer_text", "split", "relevant")
_LISTS = ("aliases_image", "aliases_text", "choices", "tags")
OWNER = "`path` of write_items"
# Pictures held in memory at a time while a Parquet file is written.
_ROWS_PER_GROUP = 128


def write_items(items: Iterable[Item], path: str | Path) -> Path:
    """Write items to a ``.jsonl`` file with a folder of images beside it, or to one ``.parquet`` file.

    Pictures keep their encoded bytes; scenes become PNG. The file appears whole or not at all.

    Returns:
        The path written.

    Raises:
        UsageError: The suffix is another one, or there is no item.
        DataError: An image is corrupt, or the disk refuses.
        MissingImageError: An image is gone, or was never located.
    """
    path = Path(path)
    rows = list(items)
    write = {".jsonl": _write_jsonl, ".parquet": _write_parquet}.get(path.suffix.lower())
    if write is None:
        raise UsageError(f"path of write_items must end in .jsonl or .parquet; it is '{path}'.")
    if not rows:
        raise UsageError("items of write_items must not be empty; there is nothing to write.")
    check_writable(path, OWNER, DataError)
    folder = path.with_name(f"{path.stem}-images")
    return write_whole(path, lambda part: write(rows, part, folder), owner=OWNER, error=DataError)


def _write_jsonl(items: Sequence[Item], part: Path, folder: Path) -> None:
    with part.open("w", encoding="utf-8") as file:
        for item in items:
            image = None if item.image is None else _save_image(item.image, item.id, folder)
            file.write(json.dumps({**_fields(item), "image": image}, ensure_ascii=False) + "\n")


def _save_image(image: MediaSource, item_id: str, folder: Path) -> str:
    """Save a picture, once however many items share it; the path is relative to the items' file."""
    from trimtab.media import suffix_of

    data = image.encoded()
    path = folder / f"{image.fingerprint[:32]}{suffix_of(data, f'of item {item_id}')}"
    if not path.exists():
        write_whole(path, data, owner=OWNER, error=DataError)
    return f"{folder.name}/{path.name}"


def _write_parquet(items: Sequence[Item], part: Path, folder: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(
        [
            *((name, pa.string()) for name in _TEXTS),
            *((name, pa.list_(pa.string())) for name in _LISTS),
            ("closed", pa.bool_()),
            ("image", pa.binary()),
        ]
    )
    with pq.ParquetWriter(part, schema) as writer:
        for start in range(0, len(items), _ROWS_PER_GROUP):
            group = items[start : start + _ROWS_PER_GROUP]
            rows = [{**_fields(item), "image": item.image and item.image.encoded()} for item in group]
            writer.write_table(pa.Table.from_pylist(rows, schema))


def _fields(item: Item) -> dict[str, Any]:
    return {name: getattr(item, name) for name in (*_TEXTS, *_LISTS, "closed")}
