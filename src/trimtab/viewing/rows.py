"""A table of answers on disk, of which a page reads the columns that it needs and only its own rows become Python."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from trimtab.errors import RunFolderError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import pyarrow as pa
    from jaxtyping import Bool, Int

KEPT = 6
"""Tables whose columns stay in memory; a page needs two at most."""


class Rows:
    """The rows of a Parquet file; each column is read when it is first needed, and kept.

    Attributes:
        path: The file.
        columns: The names of its columns.
    """

    def __init__(self, path: Path) -> None:
        """Read what the file says of itself, and no row.

        Raises:
            RunFolderError: It is no Parquet file.
        """
        import pyarrow.parquet as parquet

        self.path = path
        try:
            schema = parquet.read_schema(path)
            self._count = parquet.read_metadata(path).num_rows
        except (OSError, ValueError) as error:
            raise self._broken(error) from error
        self.columns = tuple(schema.names)
        self._words = [field.name for field in schema if _is_text(field.type)]
        self._read: dict[str, pa.Array] = {}

    def __len__(self) -> int:
        return self._count

    def column(self, name: str) -> pa.Array:
        """Return a column; texts as numbers of a list of different ones.

        Raises:
            UsageError: There is none of that name.
            RunFolderError: It cannot be read.
        """
        import pyarrow.parquet as parquet

        if name not in self.columns:
            raise UsageError(f"`column` must be one of the table's ({', '.join(self.columns)}); got {name!r:.100}.")
        if name not in self._read:
            words = [name] if name in self._words else None
            try:
                found = parquet.ParquetFile(self.path, read_dictionary=words).read(columns=[name]).column(name)
                self._read[name] = found.unify_dictionaries().combine_chunks() if words else found.combine_chunks()
            except (OSError, ValueError) as error:
                raise self._broken(error) from error
        return self._read[name]

    def values(self, name: str) -> np.ndarray:
        """Return a column as an array of NumPy; texts as objects, each different one there once."""
        import numpy as np

        if name not in self._words:
            return self.column(name).to_numpy(zero_copy_only=False)
        numbers, words = self.numbered(name)
        return np.array(words, dtype=object)[numbers]

    def numbered(self, name: str) -> tuple[Int[np.ndarray, " rows"], list[Any]]:
        """Return for each row the number of its value in a column, and the different values by number."""
        import pyarrow as pa

        column = self.column(name)
        if not isinstance(column, pa.DictionaryArray):
            column = column.dictionary_encode(null_encoding="encode")
        values = [*column.dictionary.to_pylist(), None]
        return column.indices.fill_null(len(values) - 1).to_numpy(zero_copy_only=False).astype(int), values

    def counts(self, name: str) -> list[tuple[Any, int]]:
        """Return the different values of a column, and how many rows have each; the first that comes, first."""
        return [(one["values"], one["counts"]) for one in self.column(name).value_counts().to_pylist()]

    def take(self, places: Int[np.ndarray, " rows"], columns: Sequence[str]) -> list[dict[str, Any]]:
        """Return some rows as Python values."""
        import pyarrow as pa

        chosen = {name: self.column(name).take(pa.array(places)).to_pylist() for name in columns}
        return [dict(zip(chosen, row, strict=True)) for row in zip(*chosen.values(), strict=True)]

    def matching(self, column: str, holds: Callable[[Any], bool]) -> Bool[np.ndarray, " rows"]:
        """Return in which rows something holds of a column's value; each different one is asked once."""
        import numpy as np

        numbers, values = self.numbered(column)
        return np.array([holds(value) for value in values], dtype=bool)[numbers]

    def _broken(self, error: Exception) -> RunFolderError:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        return RunFolderError(
            f"{self.path.name} of run {self.path.parent.name!r} must be a table that trimtab wrote; it cannot be read "
            f"({reason:.200}); run its command again, into a new folder."
        )


class Tables:
    """The tables that pages have asked for, read again when their file changes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Path, int, int], Rows] = OrderedDict()
        self._lock = Lock()

    def of(self, path: Path) -> Rows:
        """Return a file's rows.

        Raises:
            RunFolderError: It is no Parquet file.
        """
        found = path.stat()
        key = (path, found.st_mtime_ns, found.st_size)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = Rows(path)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
