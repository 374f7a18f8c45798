"""What any artifact must keep to, whoever wrote it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trimtab.errors import ArtifactError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_STRENGTH = 10_000.0
"""A strength beyond it is a mistake: a model's numbers run over."""


def check_fields(folder: Path, config: Mapping[str, Any], types: Mapping[str, tuple[type, ...]]) -> None:
    """Refuse a configuration that lacks a field, has an unknown one, or one of another type.

    Args:
        folder: The artifact.
        config: Its configuration.
        types: The fields that must be there, with their types; a truth value is no number.

    Raises:
        ArtifactError: Naming the first such field.
    """
    for name, known in types.items():
        value = config.get(name, _NOTHING)
        if not isinstance(value, known) or (isinstance(value, bool) and bool not in known):
            got = "no such field" if value is _NOTHING else f"{value!r:.200}"
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be {' or '.join(t.__name__ for t in known)}; got {got}; save the "
                "artifact again."
            )
    unknown = sorted(set(config) - set(types))
    if unknown:
        raise ArtifactError(
            f"`config.json` of artifact {folder} must have no fields but {', '.join(types)}; got {unknown[0]!r:.100}; "
            "take it out, or save the artifact again."
        )


def check_choices(folder: Path, config: Mapping[str, Any], choices: Mapping[str, tuple[Any, ...]]) -> None:
    """Refuse fields whose value is none of the known ones.

    Raises:
        ArtifactError: With the known values.
    """
    for name, known in choices.items():
        if config[name] not in known:
            raise ArtifactError(
                f"`{name}` of artifact {folder} must be one of {', '.join(map(str, known))}; got "
                f"{config[name]!r:.200}; use a version of trimtab that knows it."
            )


def check_model(name: str, made_for: tuple[str, str], model: tuple[str, str]) -> None:
    """Refuse another model than the one an artifact was made for.

    Args:
        name: The artifact.
        made_for: Name and fingerprint of the model it was made for.
        model: Those of the model.

    Raises:
        ArtifactError: The fingerprints differ.
    """
    if model[1] != made_for[1]:
        same = " (other weights under one name, or an artifact of an earlier trimtab)"
        raise ArtifactError(
            f"`model` of artifact {name!r} must be the one it was fitted on, {made_for[0]} (fingerprint "
            f"{made_for[1]}); got {model[0]} (fingerprint {model[1]})"
            f"{same if model[0] == made_for[0] else ''}; load that model, or fit the method on this one."
        )


def check_tensors(name: str, tensors: Mapping[str, Tensor]) -> None:
    """Refuse tensors that do not hold finite floating-point numbers.

    Raises:
        ArtifactError: Naming the first such tensor.
    """
    import torch

    for key, tensor in tensors.items():
        if tensor.dtype not in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            raise ArtifactError(
                f"tensor {key!r} of artifact {name} must hold floating-point numbers; it holds {tensor.dtype}; fit "
                "the method again."
            )
        wrong = int((~torch.isfinite(tensor)).sum())
        if wrong:
            raise ArtifactError(
                f"tensor {key!r} of artifact {name} must hold finite numbers; {wrong} of its {tensor.numel()} are not; "
                "fit the method again, on a model in bfloat16 or float32."
            )


def check_strength(strength: object, owner: str) -> None:
    """Refuse what cannot be a strength.

    Raises:
        UsageError: It is no number, not finite, or too large for any model.
    """
    if isinstance(strength, bool) or not (isinstance(strength, (int, float)) and abs(strength) <= LARGEST_STRENGTH):
        raise UsageError(
            f"`strength` of {owner} must be a number from {-LARGEST_STRENGTH:g} to {LARGEST_STRENGTH:g}; got "
            f"{strength!r:.50}; give another."
        )


def without_gaps(value: object) -> object:
    """Return plain data with null for every number that is not finite, which JSON does not know."""
    if isinstance(value, Mapping):
        return {key: without_gaps(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_gaps(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


_NOTHING = object()
