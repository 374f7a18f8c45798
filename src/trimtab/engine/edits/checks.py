"""Rules that several edits share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

import torch

from trimtab.engine.capability import Sizes
from trimtab.errors import UsageError


def check_layer(model: Sizes, layer: int, owner: str) -> int:
    """Return a layer index counted from 0.

    Raises:
        UsageError: The model has no such layer.
    """
    whole = isinstance(layer, Integral) and not isinstance(layer, bool)
    if not whole or not -model.n_layers <= layer < model.n_layers:
        raise UsageError(
            f"`layer` of {owner} must be in 0..{model.n_layers - 1} for {model.name} ({model.n_layers} layers); got "
            f"{layer!r}; use -1 for the last layer."
        )
    return layer % model.n_layers


def check_heads(model: Sizes, heads: Sequence[int], owner: str) -> None:
    """Refuse heads that the model's layers do not have, none at all, and one named twice.

    Raises:
        UsageError: With the rule and this model's numbers.
    """
    whole = isinstance(heads, (tuple, list)) and all(
        isinstance(head, Integral) and not isinstance(head, bool) and 0 <= head < model.n_heads for head in heads
    )
    if not whole or not heads or len(set(heads)) != len(heads):
        raise UsageError(
            f"`heads` of {owner} must be one or more different query heads in 0..{model.n_heads - 1} for {model.name} "
            f"({model.n_heads} heads a layer); got {heads!r}; count query heads from 0."
        )


def check_layers(model: Sizes, layers: object, owner: str) -> None:
    """Refuse layers that the model does not have, and none at all.

    Raises:
        UsageError: With the rule and this model's numbers.
    """
    if not isinstance(layers, (tuple, list)) or not layers:
        raise UsageError(f"`layers` of {owner} must be a tuple of at least one layer; got {layers!r}.")
    for layer in layers:
        check_layer(model, layer, owner)


def check_number(value: object, name: str, owner: str, remedy: str) -> None:
    """Refuse what is no finite number.

    Raises:
        UsageError: With the value.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        raise UsageError(f"`{name}` of {owner} must be finite, a number; got {value!r}; {remedy}.")


def check_tensor(
    value: object, shape: tuple[int | None, ...], name: str, owner: str, model: Sizes, remedy: str
) -> None:
    """Refuse what is no finite tensor of real numbers in a shape; None in the shape is any size.

    Raises:
        UsageError: With the rule and this model's numbers.
    """
    if not (isinstance(value, torch.Tensor) and not value.is_complex() and _fits(value, shape)):
        got = (
            str(tuple(value.shape))
            if isinstance(value, torch.Tensor)
            else ("none" if value is None else f"a {type(value).__name__}")
        )
        wanted = "(" + ", ".join("any" if s is None else str(s) for s in shape) + ("," if len(shape) == 1 else "") + ")"
        raise UsageError(
            f"`{name}` of {owner} must have shape {wanted} for {model.name}, a tensor of real numbers; got {got}; "
            f"{remedy}."
        )
    if not torch.isfinite(value).all():
        raise UsageError(f"`{name}` of {owner} must be finite; it holds NaN or infinity; {remedy}.")


def _fits(value: torch.Tensor, shape: tuple[int | None, ...]) -> bool:
    return value.ndim == len(shape) and all(s in (None, n) for s, n in zip(shape, value.shape, strict=True))
