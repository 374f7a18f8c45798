"""Files of torch, read without running what they hold: the vectors of hotwire and of steering-vectors.

hotwire-vllm 0.1.2 keeps a tensor ``(layers, hidden)``, of which a request names a row, or one ``(hidden,)`` for any
layer. steering-vectors 0.12.2 keeps ``SteeringVector``: a tensor for each layer, and the kind of module that it is
added after.
"""

from __future__ import annotations

import io
import json
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import torch
from torch import Tensor

from trimtab.errors import ArtifactError
from trimtab.files import write_whole
from trimtab.integrations.vectors.format import FORMATS, Format, Found, Vectors

BLOCK = "decoder_block"
SUFFIXES = (".pt", ".pth", ".bin")


class _SteeringVector:
    """What stands for steering-vectors' own class while a file is read: fields, and no code."""


_THEIRS: Any = (_SteeringVector, "steering_vectors.steering_vector.SteeringVector")


class Hotwire(Format):
    """hotwire's matrix of a vector a layer."""

    name = "hotwire"
    title = "hotwire (vLLM): `.pt` of shape (layers, hidden)"
    looks = "a `.pt` file of one tensor, or of a mapping from names to tensors"
    says = ("all", "generated_only")
    names_a_layer = True
    unsaid = ("layer, strength and positions: a request names them",)

    def recognises(self, path: Path) -> bool:
        """By what it holds: a tensor."""
        return path.suffix.lower() in SUFFIXES and isinstance(_tensor_in(_loaded(path)), Tensor)

    def write(self, vectors: Vectors, path: Path) -> str:
        """Write the matrix, with zeros for other layers; the request has a scale of 1."""
        matrix = torch.zeros(vectors.n_layers, len(next(iter(vectors.by_layer.values()))))
        for layer, vector in vectors.by_layer.items():
            matrix[layer] = vector
        write_whole(path, _bytes(matrix), owner="`path` of export_vectors")
        only = {"decode_only": True} if vectors.positions == "generated_only" else {}
        entries = [{"id": path.stem, "layer": layer, "scale": 1.0, **only} for layer in vectors.by_layer]
        spec = json.dumps(entries if len(entries) > 1 else entries[0])
        return f"HOTWIRE_VECTORS={path.name}, and in a request: {json.dumps({'vllm_xargs': {'hotwire': spec}})}"

    def read(self, path: Path) -> Found:
        """Read the matrix; rows of zeros are no vectors."""
        held = _tensor_in(_loaded(path))
        if not isinstance(held, Tensor) or held.ndim not in (1, 2) or not held.is_floating_point():
            raise _wrong(path, "a tensor (layers, hidden) or (hidden,)", held)
        if held.ndim == 1:
            return Found({}, anywhere=held)
        return Found({layer: row.clone() for layer, row in enumerate(held) if bool(row.count_nonzero())})


class SteeringVectors(Format):
    """steering-vectors' tensors by layer."""

    name = "steering-vectors"
    title = "steering-vectors: `.pt` of a vector a layer"
    looks = "a `.pt` file of a `SteeringVector`, of its fields, or of its `layer_activations`"
    unsaid = ("strength and positions: `apply` is told them, and adds to every token unless it is",)

    def recognises(self, path: Path) -> bool:
        """By what it holds: tensors by layer, or its class."""
        return path.suffix.lower() in SUFFIXES and _fields(_loaded(path)) is not None

    def write(self, vectors: Vectors, path: Path) -> str:
        """Write the fields of ``SteeringVector``, so that no class of theirs is in the file."""
        held = {"layer_activations": dict(vectors.by_layer), "layer_type": BLOCK}
        write_whole(path, _bytes(held), owner="`path` of export_vectors")
        return (
            f"SteeringVector(**torch.load({path.name!r}, weights_only=True)).apply(model, layer_config="
            "{'decoder_block': ...}): without layer_config the list of most blocks is taken, which may be the vision "
            "tower's"
        )

    def read(self, path: Path) -> Found:
        """Read the fields; of blocks' outputs alone."""
        held = _fields(_loaded(path))
        if held is None:
            raise _wrong(path, "a SteeringVector, its fields, or tensors by layer", _loaded(path))
        by_layer, kind = held.get("layer_activations"), held.get("layer_type", BLOCK)
        if kind != BLOCK:
            raise ArtifactError(
                f"`layer_type` of {path} must be {BLOCK!r}, since an artifact's vectors are added after blocks; got "
                f"{kind!r}; train it at {BLOCK!r}."
            )
        if not _by_layer(by_layer):
            raise _wrong(path, "tensors by layer", by_layer)
        return Found({layer: vector.reshape(-1) for layer, vector in by_layer.items()})


def _fields(held: object) -> Mapping[str, Any] | None:
    """Return the fields of a ``SteeringVector`` in whichever form they were kept; None if it is none."""
    if isinstance(held, _SteeringVector):
        return vars(held)
    if isinstance(held, Mapping) and "layer_activations" in held:
        return held
    return {"layer_activations": held} if _by_layer(held) else None


def _by_layer(held: object) -> TypeGuard[Mapping[int, Tensor]]:
    return (
        isinstance(held, Mapping)
        and bool(held)
        and all(type(layer) is int and layer >= 0 and isinstance(one, Tensor) for layer, one in held.items())
    )


def _tensor_in(held: object) -> object:
    """Return the tensor of a file; of a mapping from names the first, as hotwire takes it."""
    if isinstance(held, Mapping) and "layer_activations" not in held and all(isinstance(key, str) for key in held):
        return next((one for one in held.values() if isinstance(one, Tensor)), held)
    return held


def _loaded(path: Path) -> object:
    """Read a file of torch: tensors and plain data, nothing that runs.

    Raises:
        ArtifactError: It is broken, or holds objects of other classes.
    """
    try:
        with torch.serialization.safe_globals([_THEIRS]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old protocols; what cannot be read raises
            return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, OSError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"`path` of import_vectors must be a file of torch with tensors alone; {path} cannot be read so "
            f"({str(error).splitlines()[0]:.150}); save a mapping from layers to tensors."
        ) from error


def _bytes(held: object) -> bytes:
    buffer = io.BytesIO()
    torch.save(held, buffer)
    return buffer.getvalue()


def _wrong(path: Path, wanted: str, got: object) -> ArtifactError:
    kind = f"a tensor {tuple(got.shape)} of {got.dtype}" if isinstance(got, Tensor) else type(got).__name__
    return ArtifactError(f"`path` of import_vectors must hold {wanted}; {path} holds {kind}; save the vectors so.")


FORMATS.register(Hotwire())
FORMATS.register(SteeringVectors())
