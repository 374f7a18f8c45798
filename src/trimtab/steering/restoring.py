"""Making a part of an artifact again of what was kept of it, once that is known to be of the right kind."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from types import MappingProxyType
from typing import Any, Literal

from torch import Tensor

from trimtab.engine import Identified, ModelOrEngine
from trimtab.errors import UsageError

LAYERS = ("layers", "first_layer")
"""Fields that hold numbers of layers."""


def check_kept(
    kind: type[Any],
    kept: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    model: ModelOrEngine | Identified,
    shapes: Mapping[str, tuple[int, ...]] = MappingProxyType({}),
) -> None:
    """Refuse fields that a dataclass does not have, lacks, or that are not of its types and of the model's sizes.

    Args:
        kind: The dataclass.
        kept: Plain data by field.
        tensors: Tensors by field; each but a bias inside a network has the model's hidden size among its own, or a
            head's width.
        model: The model it is for.
        shapes: Shapes of the tensors that are the same for every model.

    Raises:
        UsageError: Naming the first such field.
    """
    known, found = {f.name: f for f in fields(kind)}, {**kept, **tensors}
    hints = typing.get_type_hints(kind)
    for name in found:
        if name not in known:
            raise UsageError(f"it must have no fields but {', '.join(known)}; got {name!r:.100}.")
    for name, field in known.items():
        if name not in found:
            if field.default is MISSING and field.default_factory is MISSING:
                raise UsageError(f"it must have the field {name!r}.")
        elif not _is(found[name], hints[name]):
            raise UsageError(f"{name!r} must be of type {field.type}; got {_shown(found[name])}.")
    for name, tensor in tensors.items():
        if name in shapes:
            if tuple(tensor.shape) != shapes[name]:
                raise UsageError(f"{name!r} must be of shape {shapes[name]}; got {tuple(tensor.shape)}.")
        elif not {model.hidden_size, *model.head_dims} & set(tensor.shape) and name != "b_in":
            raise UsageError(f"{name!r} must have the hidden size {model.hidden_size}; got {tuple(tensor.shape)}.")
    for name in LAYERS:
        value = kept.get(name, 0)
        highest = max(value, default=0) if isinstance(value, (list, tuple)) else value
        lowest = min(value, default=0) if isinstance(value, (list, tuple)) else value
        if lowest < 0 or highest > model.n_layers:
            raise UsageError(f"{name!r} must be layers of a model that has {model.n_layers}; got {value}.")


def _is(value: object, hint: object) -> bool:
    """Whether a value is of a type that fields of choosers and rules have."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return isinstance(value, (str, int)) and value in arguments
    if origin in (types.UnionType, typing.Union):
        return any(_is(value, one) for one in arguments)
    if origin in (Sequence, list, tuple):
        return isinstance(value, (list, tuple)) and all(_is(one, arguments[0]) for one in value)
    if hint in (int, float):
        known = (int,) if hint is int else (int, float)
        return isinstance(value, known) and not isinstance(value, bool) and abs(value) < 2**63 and math.isfinite(value)
    return isinstance(hint, type) and isinstance(value, hint)


def _shown(value: object) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"{value!r:.100}"
