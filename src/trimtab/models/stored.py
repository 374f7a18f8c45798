"""What the files of weights say they hold, read off their heads before any weight is loaded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from trimtab.errors import UnsupportedModelError
from trimtab.models.source import Source

ONE_FILE, INDEX = "model.safetensors", "model.safetensors.index.json"
WHOLE_NUMBERS = frozenset({"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64"})
WEIGHTS = (".weight", ".bias")
"""Ends of the names of what is trained; counters and tables of positions are whole numbers by right."""


class Stored(NamedTuple):
    """A tensor in a file: its name, safetensors' word for its type, and its bytes."""

    name: str
    kind: str
    size: int


def weight_files(source: Source) -> list[Path]:
    """Return the files of safetensors that hold the weights, as the index or the one file's name says."""
    index = source.json(INDEX)
    names = sorted(set(index.get("weight_map", {}).values())) if index else [ONE_FILE]
    return [found for found in map(source.file, names) if found is not None]


def head(file: Path) -> list[Stored]:
    """Return what a file of safetensors holds; nothing if it is broken, which reading its weights will say."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        if not 0 < length <= file.stat().st_size:
            return []
        try:
            held = json.loads(stream.read(length))
        except ValueError:
            return []
    held.pop("__metadata__", None)
    return [Stored(n, t["dtype"], t["data_offsets"][1] - t["data_offsets"][0]) for n, t in held.items()]


def check_files(source: Source) -> None:
    """Refuse weights of which it cannot be told which ones are meant; loading would take some of them silently.

    Raises:
        UnsupportedModelError: There are two sets of weights, a tensor is in two files, or weights are whole numbers.
    """
    files = weight_files(source)
    if source.file(INDEX) is not None and source.file(ONE_FILE) is not None and [f.name for f in files] != [ONE_FILE]:
        raise UnsupportedModelError(
            f"`name_or_path` of load must hold one set of weights; {source.path} has {ONE_FILE} and {INDEX}; which one "
            "is the model cannot be told; remove the older one."
        )
    check_tensors(source.path, files)


def check_tensors(path: str, files: Iterable[Path]) -> None:
    """Refuse a tensor that is in two files, and weights that are whole numbers, which are codes of something else.

    Raises:
        UnsupportedModelError: With the tensor's name.
    """
    places: dict[str, str] = {}
    for file in files:
        for name, kind, _ in head(file):
            if name in places:
                raise UnsupportedModelError(
                    f"`name_or_path` of load must hold each tensor once; in {path} {name} is in {places[name]} and in "
                    f"{file.name}; take it out of one, or fetch the checkpoint again."
                )
            places[name] = file.name
            if kind in WHOLE_NUMBERS and name.endswith(WEIGHTS):
                raise UnsupportedModelError(
                    f"`name_or_path` of load must hold weights as floats; in {path} {name} is of type {kind}, as "
                    "quantised weights are; load the checkpoint it was made from."
                )
