"""Vectors that were made elsewhere, as an artifact like any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Edit, ModelOrEngine, Positions, check_layer
from trimtab.errors import UsageError
from trimtab.fields import check_value
from trimtab.modalities import Modality
from trimtab.steering.artifact import Artifact
from trimtab.steering.chooser import FixedChooser, register_chooser

GIVEN = "given"
"""The method of such artifacts; it has no entry in ``METHODS``, since it fits nothing."""


@register_chooser
@dataclass(frozen=True, eq=False)
class VectorsChooser(FixedChooser):
    """A vector at each of several layers, added there for every prompt alike.

    Attributes:
        layers: Decoder blocks, 0-based, whose output is changed.
        positions: Where vectors are added; see ``AddVector``.
        vectors: ``(layers, hidden)``.
    """

    kind: ClassVar[str] = "vectors"
    has_strength: ClassVar[bool] = True

    layers: Sequence[int]
    positions: Positions
    vectors: Float[Tensor, "layers hidden"]

    def __post_init__(self) -> None:
        if len(self.layers) != len(self.vectors):
            raise UsageError(f"'layers' must be as many as vectors; got {len(self.layers)} and {len(self.vectors)}.")

    @cached_property
    def by_layer(self) -> dict[int, Tensor]:
        """Each layer's vector; always the same objects, so that the rows of a batch are served together."""
        return dict(zip(self.layers, self.vectors, strict=True))

    def fixed(self, strength: float) -> tuple[Edit, ...]:
        """Return each layer's vector as an edit, at a strength."""
        return tuple(AddVector(layer, one, strength, self.positions) for layer, one in self.by_layer.items())


def given_vectors(
    model: ModelOrEngine,
    vectors: Mapping[int, Float[Tensor, " hidden"]],
    target: Modality,
    *,
    positions: Positions = "from_last_prompt",
    strength: float = 1.0,
    label: str = "",
    metrics: Mapping[str, Any] | None = None,
) -> Artifact:
    """Make an artifact of vectors that you have.

    Args:
        model: The model that they are for.
        vectors: A vector for each layer, counted from 0, ``(hidden,)``.
        target: The modality that they are to make the model follow.
        positions: Where they are added; see ``AddVector``.
        strength: The artifact's own.
        label: Name in tables.
        metrics: What is known of them.

    Raises:
        UsageError: A layer or a vector does not fit the model.
    """
    if not isinstance(vectors, Mapping) or not vectors:
        raise UsageError(f"`vectors` of given_vectors must have a vector by layer, at least one; got {vectors!r:.60}.")
    check_value("target", "given_vectors", Modality, target)
    for layer, vector in vectors.items():
        AddVector(layer, vector, strength, positions).check(model)
    by_layer = {check_layer(model, layer, "given_vectors"): vector for layer, vector in vectors.items()}
    layers = sorted(by_layer)
    held = torch.stack([by_layer[layer].detach().float().cpu() for layer in layers])
    chooser = VectorsChooser(tuple(layers), positions, held)
    found = dict(metrics or {})
    return Artifact(GIVEN, target, model.name, model.fingerprint, strength, chooser=chooser, label=label, metrics=found)
