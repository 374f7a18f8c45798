"""The networks of a learned trim, as what is done to every prompt alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Edit, Positions, Predictor
from trimtab.steering.chooser import FixedChooser, register_chooser


@register_chooser
@dataclass(frozen=True, eq=False)
class LearnedTrimChooser(FixedChooser):
    """A network at each of several layers, whose inferred vectors are added there.

    Attributes:
        layers: Decoder blocks, 0-based.
        positions: Where vectors are added; see ``AddVector``.
        w_in: Of each layer's network, ``(layers, width, hidden)``.
        b_in: ``(layers, width)``.
        w_out: ``(layers, hidden, width)``.
        b_out: ``(layers, hidden)``.
    """

    kind: ClassVar[str] = "learned_trim"

    layers: Sequence[int]
    positions: Positions
    w_in: Float[Tensor, "layers width hidden"]
    b_in: Float[Tensor, "layers width"]
    w_out: Float[Tensor, "layers hidden width"]
    b_out: Float[Tensor, "layers hidden"]

    @cached_property
    def networks(self) -> list[Predictor]:
        """Each layer's network; always the same objects, so that the rows of a batch are served together."""
        parts = (self.w_in, self.b_in, self.w_out, self.b_out)
        return [Predictor(*own) for own in zip(*parts, strict=True)]

    def fixed(self, strength: float) -> tuple[Edit, ...]:
        """Return each layer's network as an edit, at a strength."""
        return tuple(
            AddVector(layer, network, strength, self.positions)
            for layer, network in zip(self.layers, self.networks, strict=True)
        )
