"""Read an artifact's folder, and refuse what is broken or made for another model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from trimtab.data.prompts import MODALITIES
from trimtab.engine import POSITIONS, Predictor
from trimtab.errors import ArtifactError
from trimtab.models import Model
from trimtab.steering.artifact import PLACEMENTS, Artifact
from trimtab.steering.method import METHODS
from trimtab.steering.saving import CONFIG, FIELDS, PREDICTOR_TENSORS, SCHEMA_VERSION, WEIGHTS

_TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "target": (str,),
    "layer": (int, type(None)),
    "strength": (int, float),
    "positions": (str,),
    "instruction": (str, type(None)),
    "placement": (str,),
    "model_name": (str,),
    "model_fingerprint": (str,),
    "data_fingerprint": (str,),
    "options": (dict,),
    "metrics": (dict,),
}
_CHOICES = {
    "target": MODALITIES,
    "positions": POSITIONS,
    "placement": PLACEMENTS,
}


def load_artifact(folder: str | Path, model: Model) -> Artifact:
    """Load an artifact for the model it was fitted on.

    Args:
        folder: The folder ``Artifact.save`` wrote.
        model: The model.

    Returns:
        The artifact.

    Raises:
        ArtifactError: A file is missing or broken, the schema or method is unknown, or the model is another one;
            the message says what differs.
    """
    folder = Path(folder)
    config = _config(folder)
    tensors = _weights(folder)
    # The model first: for another model the shapes differ too, and that is not what is wrong.
    artifact = Artifact(**{name: config[name] for name in FIELDS})
    artifact.check(model)
    direction = _direction(folder, artifact, tensors, model)
    return Artifact(**{name: config[name] for name in FIELDS}, direction=direction)


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(_read(folder / CONFIG))
    except ValueError as error:
        raise ArtifactError(
            f"`{CONFIG}` of artifact {folder} must be JSON; it is broken ({error}); save the artifact again."
        ) from error
    version = config.get("schema_version") if isinstance(config, dict) else None
    if version != SCHEMA_VERSION:
        raise ArtifactError(
            f"`schema_version` of artifact {folder} must be {SCHEMA_VERSION}; got {version!r}; save it again with "
            "this version of trimtab."
        )
    for name, types in _TYPES.items():
        if name not in config or not isinstance(config[name], types):
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be {' or '.join(t.__name__ for t in types)}; got "
                f"{config.get(name, 'no such field')!r}; save the artifact again."
            )
    for name, known in {**_CHOICES, "method": tuple(METHODS)}.items():
        if config[name] not in known:
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be one of {', '.join(known)}; got {config[name]!r}; use a version "
                "of trimtab that knows it."
            )
    return cast(dict[str, Any], config)


def _weights(folder: Path) -> dict[str, Tensor]:
    try:
        return load(_read(folder / WEIGHTS))
    except SafetensorError as error:
        raise ArtifactError(
            f"`{WEIGHTS}` of artifact {folder} must be a safetensors file; it is broken ({error}); save the artifact "
            "again."
        ) from error


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"`{path.name}` of artifact {path.parent} must be a readable file; it is not ({error.strerror}); give the "
            "folder that save wrote."
        ) from error


def _direction(folder: Path, artifact: Artifact, tensors: dict[str, Tensor], model: Model) -> Tensor | Predictor | None:
    """Make the direction of tensors whose names and shapes are what the method and the model need."""
    hidden = model.hidden_size
    width = tensors["b_in"].shape[0] if "b_in" in tensors and tensors["b_in"].ndim == 1 else 0
    layouts: list[dict[str, tuple[int, ...]]] = [{}]
    if METHODS[artifact.method].adds_vector:
        shapes = ((width, hidden), (width,), (hidden, width), (hidden,))
        layouts = [{"vector": (hidden,)}, dict(zip(PREDICTOR_TENSORS, shapes, strict=True))]
    found = {name: tuple(t.shape) for name, t in tensors.items()}
    if found not in layouts:
        raise ArtifactError(
            f"`{WEIGHTS}` of artifact {folder} must hold tensors of shapes {' or '.join(map(str, layouts))} for method "
            f"{artifact.method!r} on {model.name} (hidden size {hidden}); got {found}; save the artifact again."
        )
    if not tensors:
        return None
    if artifact.layer is None or not 0 <= artifact.layer < model.n_layers:
        raise ArtifactError(
            f"`layer` of artifact {folder} must be in 0..{model.n_layers - 1} for {model.name}; got {artifact.layer}; "
            "save the artifact again."
        )
    return tensors["vector"] if "vector" in tensors else Predictor(*(tensors[n] for n in PREDICTOR_TENSORS))
