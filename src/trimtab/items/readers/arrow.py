"""Arrow files and folders as the ``datasets`` library saves them; their media stay on the disk until they are shown."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import DataError
from trimtab.items.readers.collect import Row
from trimtab.items.readers.parquet import Unread, decoded, known_columns
from trimtab.items.sources import MediaSource, opened_as
from trimtab.modalities import Modality

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 256
SPLITS, STATE, INFO = "dataset_dict.json", "state.json", "dataset_info.json"
"""What tells a folder that ``save_to_disk`` wrote: of several splits, of one, and of what is cached."""


@dataclass(frozen=True)
class MediaCell(MediaSource):
    """A medium in a cell of an Arrow file, read when it is opened."""

    path: Path
    row: int
    column: str
    kind: Modality = field(default="image", kw_only=True)

    def open(self) -> Any:
        """The medium. Raises DataError if it is corrupt."""
        return opened_as(self.kind, self.encoded(), f"in row {self.row + 1} of {self.path}")

    def encoded(self) -> bytes:
        """The bytes of the cell."""
        value = arrow_table(self.path).column(self.column)[self.row].as_py()
        return value["bytes"] if isinstance(value, dict) else value


def is_datasets_folder(path: Path) -> bool:
    """Whether a folder is one that the ``datasets`` library saved."""
    return path.is_dir() and any((path / name).is_file() for name in (SPLITS, STATE, INFO))


def arrow_files(folder: Path) -> list[tuple[Path, str | None]]:
    """Return the files of a folder of ``datasets``, each with the split that it is of, if that is known.

    Raises:
        DataError: A file that says what is there is broken, or names a file that is not there.
    """
    if (folder / SPLITS).is_file():
        splits = _json(folder / SPLITS).get("splits")
        if not isinstance(splits, list) or not all(isinstance(one, str) and (folder / one).is_dir() for one in splits):
            raise DataError(f"`splits` of {folder / SPLITS} must name folders beside it; it is {splits!r:.100}.")
        return [(file, split) for split in splits for file, _ in arrow_files(folder / split)]
    state = _json(folder / STATE) if (folder / STATE).is_file() else {}
    named = state.get("_data_files")
    if isinstance(named, list) and all(isinstance(one, dict) and isinstance(one.get("filename"), str) for one in named):
        files = [folder / one["filename"] for one in named]
    else:
        files = sorted(folder.glob("*.arrow"))
    lacking = next((file for file in files if not file.is_file()), None)
    if lacking is not None or not files:
        raise DataError(f"folder {folder} must have its .arrow files; {lacking or 'all'} is missing; save it again.")
    split = state.get("_split")
    return [(file, split if isinstance(split, str) else None) for file in files]


@lru_cache(maxsize=64)
def arrow_table(path: Path) -> pa.Table:
    """Return an Arrow file's table, which is mapped into memory and not read.

    Raises:
        DataError: It is no Arrow file.
    """
    import pyarrow as pa

    try:
        mapped = pa.memory_map(str(path))
        try:
            return pa.ipc.open_stream(mapped).read_all()
        except pa.ArrowInvalid:
            return pa.ipc.open_file(mapped).read_all()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"source {path} must be an Arrow file; it cannot be read ({error}).") from error


def arrow_rows(source: Path, wanted: Collection[str], media: Mapping[str, Modality]) -> Iterator[Row[dict[str, Any]]]:
    """Yield the rows of a file; media become cells, which hold no bytes.

    Args:
        source: The file.
        wanted: Names of the columns to take.
        media: The modality of those of them that hold media.

    Raises:
        DataError: It cannot be read, or has a column twice.
    """
    table = arrow_table(source)
    columns = known_columns(table.column_names, wanted, source)
    texts = table.select([name for name in columns if name not in media])
    others = {name: Unread() for name in table.column_names if name not in columns}
    number = 0
    batches = map(decoded, texts.to_batches(BATCH)) if texts.num_columns else [[{} for _ in range(table.num_rows)]]
    for batch in batches:
        for content in batch:
            number += 1
            if isinstance(content, DataError):
                yield Row(number, content)
                continue
            shown = {name: _cell(table, (source, number - 1, name), media[name]) for name in columns if name in media}
            yield Row(number, {**others, **content, **shown})


def _cell(table: pa.Table, place: tuple[Path, int, str], kind: Modality) -> MediaCell | str | None:
    """Return a cell with bytes as something to open later, one with a path as the path."""
    import pyarrow as pa

    cell = MediaCell(*place, kind=kind)
    value = table.column(cell.column)[cell.row]
    if not value.is_valid:
        return None
    if pa.types.is_struct(value.type):
        names = [one.name for one in value.type]
        if "bytes" in names and value["bytes"].is_valid:
            return cell
        return value["path"].as_py() if "path" in names else None
    binary = pa.types.is_binary(value.type) or pa.types.is_large_binary(value.type)
    return cell if binary else value.as_py()


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (ValueError, OSError) as error:
        raise DataError(f"{path} must be readable JSON; it is not ({error}); save the folder again.") from error
    return found if isinstance(found, dict) else {}
