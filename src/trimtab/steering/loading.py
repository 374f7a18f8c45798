"""Read an artifact's folder, and refuse what is broken or made for another model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from trimtab.artifact_checks import check_choices, check_model
from trimtab.artifact_folder import WEIGHTS, method_of, read_artifact
from trimtab.artifact_kinds import KINDS, ArtifactKind
from trimtab.engine import POSITIONS, Identified, ModelOrEngine, Predictor
from trimtab.errors import ArtifactError, UsageError
from trimtab.modalities import MODALITIES, Modality
from trimtab.steering.artifact import PLACEMENTS, Artifact
from trimtab.steering.chooser import CHOOSERS, Chooser
from trimtab.steering.contrasting import RULES, Rule
from trimtab.steering.given import GIVEN
from trimtab.steering.method import METHODS, Method, VectorMethod
from trimtab.steering.restoring import check_kept
from trimtab.steering.saving import CHOOSER_PREFIX, FIELDS, PREDICTOR_TENSORS

T = TypeVar("T")

_TYPES: dict[str, tuple[type, ...]] = {
    "method": (str,),
    "target": (str,),
    "layer": (int, type(None)),
    "strength": (int, float),
    "positions": (str,),
    "instruction": (str, type(None)),
    "placement": (str,),
    "without": (str, list, type(None)),
    "label": (str,),
    "contrast": (dict, type(None)),
    "chooser": (dict, type(None)),
    "model_name": (str,),
    "model_fingerprint": (str,),
    "data_fingerprint": (str,),
    "fitted_items": (str,),
    "options": (dict,),
    "metrics": (dict,),
}
_CHOICES = {
    "target": MODALITIES,
    "positions": POSITIONS,
    "placement": PLACEMENTS,
}


def load_steering(folder: str | Path, model: ModelOrEngine | Identified) -> Artifact:
    """Load a steering artifact for the model it was fitted on; ``trimtab.load_artifact`` takes those of all kinds.

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
    config, tensors = read_artifact(folder, _TYPES, {"fitted_items": ""})
    check_choices(folder, config, {**_CHOICES, "method": (*METHODS, GIVEN)})
    # The model first: for another model the shapes differ too, and that is not what is wrong.
    made_for = (config["model_name"], config["model_fingerprint"])
    check_model(config["method"], made_for, (model.name, model.fingerprint))
    kept = {name.removeprefix(CHOOSER_PREFIX): t for name, t in tensors.items() if name.startswith(CHOOSER_PREFIX)}
    own = {name: t for name, t in tensors.items() if not name.startswith(CHOOSER_PREFIX)}
    if kept and config["chooser"] is None:
        raise ArtifactError(
            f"`{WEIGHTS}` of artifact {folder} must hold no tensors of a chooser without one in its configuration; got "
            f"{', '.join(kept)}; save the artifact again."
        )

    def rule(found: dict[str, Any]) -> Rule:
        kind, fields = RULES[found["kind"]], _without_kind(found)
        check_kept(kind, fields, {}, model)
        return kind(**fields)

    def chooser(found: dict[str, Any]) -> Chooser:
        kind = CHOOSERS[found["kind"]]
        fields = kind.renamed(_without_kind(found))
        check_kept(kind, fields, kept, model, kind.shapes)
        return kind.restored(fields, kept)

    config["without"] = _without(folder, config["without"])
    try:
        artifact = Artifact(**{name: config[name] for name in FIELDS})
    except UsageError as error:
        raise ArtifactError(f"artifact {folder} must be as save wrote it: {error}") from error
    return replace(
        artifact,
        direction=_direction(folder, artifact, own, model),
        contrast=_made(folder, "contrast", config, rule),
        chooser=_made(folder, "chooser", config, chooser),
    )


def _without(folder: Path, kept: object) -> tuple[Modality, ...]:
    """Return the modalities left out of the prompt, which earlier artifacts keep as one name or none."""
    found = kept if isinstance(kept, list) else [] if kept is None else [kept]
    known: tuple[Modality, ...] = tuple(name for one in found for name in MODALITIES if one == name)
    if len(known) < len(found):
        raise ArtifactError(
            f"`without` of artifact {folder} must be some of {', '.join(MODALITIES)}; got {kept!r:.100}; save the "
            "artifact again."
        )
    return known


def _without_kind(config: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in config.items() if name != "kind"}


def _made(folder: Path, field: str, config: dict[str, Any], make: Callable[[dict[str, Any]], T]) -> T | None:
    """Make a part of the artifact from what is kept of it."""
    if config[field] is None:
        return None
    try:
        return make(config[field])
    except (KeyError, TypeError, UsageError) as error:
        raise ArtifactError(
            f"`{field}` of artifact {folder} must be what save wrote; got {config[field]!r:.300} ({error}); save the "
            "artifact again."
        ) from error


def _direction(
    folder: Path, artifact: Artifact, tensors: dict[str, Tensor], model: ModelOrEngine | Identified
) -> Tensor | Predictor | None:
    """Make the direction of tensors whose names and shapes are what the method and the model need."""
    hidden = model.hidden_size
    width = tensors["b_in"].shape[0] if "b_in" in tensors and tensors["b_in"].ndim == 1 else 1
    shapes = ((width, hidden), (width,), (hidden, width), (hidden,))
    known: dict[str, dict[str, tuple[int, ...]]] = {
        "vector": {"vector": (hidden,)},
        "predictor": dict(zip(PREDICTOR_TENSORS, shapes, strict=True)),
    }
    method = METHODS.get(artifact.method, Method)
    layouts = [known[form] for form in method.forms] if issubclass(method, VectorMethod) else [{}]
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


KINDS.register(ArtifactKind("steering", lambda folder: method_of(folder) in (*METHODS, GIVEN), load_steering))
