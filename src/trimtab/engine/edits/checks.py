"""Rules that several edits share."""

from __future__ import annotations

from collections.abc import Sequence

from trimtab.errors import UsageError
from trimtab.models import Model


def check_layer(model: Model, layer: int, owner: str) -> int:
    """Return a layer index counted from 0.

    Raises:
        UsageError: The model has no such layer.
    """
    if not -model.n_layers <= layer < model.n_layers:
        raise UsageError(
            f"`layer` of {owner} must be in 0..{model.n_layers - 1} for {model.name} ({model.n_layers} layers); got "
            f"{layer}; use -1 for the last layer."
        )
    return layer % model.n_layers


def check_heads(model: Model, heads: Sequence[int], owner: str) -> None:
    """Refuse heads that the model's layers do not have, none at all, and one named twice.

    Raises:
        UsageError: With the rule and this model's numbers.
    """
    known = range(model.n_heads)
    if not heads or len(set(heads)) != len(heads) or any(head not in known for head in heads):
        raise UsageError(
            f"`heads` of {owner} must be one or more different query heads in 0..{model.n_heads - 1} for {model.name} "
            f"({model.n_heads} heads a layer); got {tuple(heads)}; count query heads from 0."
        )
