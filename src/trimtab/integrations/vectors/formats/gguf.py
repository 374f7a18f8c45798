"""Control vectors in GGUF, as repeng writes and llama.cpp reads them (their sources: repeng 0.4.0).

``general.architecture`` is ``controlvector``, ``controlvector.model_hint`` the model's kind, and a float32 tensor
``direction.N`` is added to the output of block N, counted from 0. llama.cpp keeps no place for block 0.
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trimtab.errors import ArtifactError, MissingDependencyError
from trimtab.files import write_whole
from trimtab.integrations.vectors.format import FORMATS, Format, Found, Vectors

KIND = "controlvector"
HINT = f"{KIND}.model_hint"
TENSOR = "direction."
PLAIN = ("F32", "F16")


class Gguf(Format):
    """A GGUF control vector."""

    name = "gguf"
    title = "repeng, llama.cpp: GGUF control vector"
    looks = "a `.gguf` file"
    first_layer = 1
    unsaid = ("positions: both tools add to every token",)

    def recognises(self, path: Path) -> bool:
        """By its ending."""
        return path.suffix.lower() == ".gguf"

    def write(self, vectors: Vectors, path: Path) -> str:
        """Write the file."""
        library = _library()

        def fill(part: Path) -> None:
            writer = library.GGUFWriter(part, KIND)
            writer.add_string(HINT, vectors.family)
            writer.add_uint32(f"{KIND}.layer_count", len(vectors.by_layer))
            for layer, vector in vectors.by_layer.items():
                writer.add_tensor(f"{TENSOR}{layer}", vector.numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
            writer.close()

        write_whole(path, fill, owner="`path` of export_vectors")
        return f"llama-cli --control-vector {path.name}; or ControlVector.import_gguf({path.name!r}) of repeng"

    def read(self, path: Path) -> Found:
        """Read the file; of no other kind than a control vector."""
        library = _library()
        try:
            reader = library.GGUFReader(path)
            kind, hint = (_text(reader, key) for key in ("general.architecture", HINT))
            tensors = {one.name: one for one in reader.tensors if one.name.startswith(TENSOR)}
            found = {_layer(name): _tensor(one) for name, one in tensors.items()}
        except (ValueError, KeyError, IndexError, OSError, OverflowError) as error:
            raise ArtifactError(
                f"`path` of import_vectors must be a GGUF control vector; {path} cannot be read ({error}); export it "
                "again."
            ) from error
        if kind != KIND or not found:
            raise ArtifactError(
                f"`path` of import_vectors must be a GGUF control vector, of architecture {KIND!r} with tensors "
                f"{TENSOR}N; {path} is of {kind!r} with {len(found)} such tensors; give the file that repeng exported."
            )
        return Found(found, hint)


def _text(reader: Any, key: str) -> str:
    field = reader.get_field(key)
    return bytes(field.parts[-1]).decode(errors="replace") if field is not None and len(field.parts) else ""


def _layer(name: str) -> int:
    text = name.removeprefix(TENSOR)
    if not text.isascii() or not text.isdigit():
        raise ValueError(f"tensor {name!r} names no layer")
    return int(text)


def _tensor(one: Any) -> Tensor:
    if one.tensor_type.name not in PLAIN:
        raise ValueError(f"tensor {one.name!r} is of type {one.tensor_type.name}, not {' or '.join(PLAIN)}")
    return torch.from_numpy(np.array(one.data, dtype=np.float32))


def _library() -> ModuleType:
    try:
        import gguf
    except ImportError as error:
        raise MissingDependencyError(
            "gguf is needed and not installed; run: pip install 'trimtab[exchange]'."
        ) from error
    return gguf


FORMATS.register(Gguf())
