"""The networks while they are trained, in units that suit an optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import AddVector, Edit, Positions, Predictor

LEAST_SPREAD = 0.01
"""Floor on a dimension's standard deviation, as a share of the mean over dimensions."""

NAMES = ("w_in", "b_in", "w_out", "b_out")


@dataclass(frozen=True, eq=False)
class Networks:
    """A network ``Linear - tanh - Linear`` at each of several layers.

    Each sees its states standardised and answers in the size of the layer's states; folding that into the weights
    (``folded``) gives networks in the model's own units. At the beginning all answer 0.

    Attributes:
        layers: Decoder blocks, 0-based.
        center: Mean of the states, ``(layers, hidden)``.
        spread: Their standard deviation, ``(layers, hidden)``.
        size: Their root mean square, ``(layers,)``.
        weights: ``w_in (layers, width, hidden)``, ``b_in (layers, width)``, ``w_out (layers, hidden, width)`` and
            ``b_out (layers, hidden)``, in float32.
    """

    layers: tuple[int, ...]
    center: Float[Tensor, "layers hidden"]
    spread: Float[Tensor, "layers hidden"]
    size: Float[Tensor, " layers"]
    weights: dict[str, Tensor]

    @classmethod
    def begun(
        cls, states: Mapping[int, Float[Tensor, "items hidden"]], width: int, seed: int, device: torch.device
    ) -> Networks:
        """Return networks that do nothing yet.

        Args:
            states: States at the last prompt token by layer, ``(items, hidden)``.
            width: Hidden units of each network.
            seed: Seed of the input weights.
            device: Where they are trained.
        """
        every = torch.stack([own.double() for own in states.values()])
        n, _, hidden = every.shape
        spread = every.std(1, correction=0)
        spread = spread.clamp_min(LEAST_SPREAD * spread.mean(1, keepdim=True)).clamp_min(1e-12)
        first = torch.randn(n, width, hidden, generator=torch.Generator().manual_seed(seed)) / math.sqrt(hidden)
        shapes = ((n, width), (n, hidden, width), (n, hidden))
        weights = dict(zip(NAMES, (first, *map(torch.zeros, shapes)), strict=True))
        size = every.square().mean((1, 2)).sqrt().clamp_min(1e-12)
        return cls(
            layers=tuple(states),
            center=every.mean(1).float().to(device),
            spread=spread.float().to(device),
            size=size.float().to(device),
            weights={name: tensor.to(device).requires_grad_() for name, tensor in weights.items()},
        )

    def folded(self) -> dict[str, Tensor]:
        """Return the weights in the model's own units; gradients flow through.

        ``tanh(W (h - c) / s + b) = tanh((W / s) h + (b - (W / s) c))``.
        """
        w_in = self.weights["w_in"] / self.spread[:, None]
        return {
            "w_in": w_in,
            "b_in": self.weights["b_in"] - (w_in @ self.center[..., None])[..., 0],
            "w_out": self.weights["w_out"] * self.size[:, None, None],
            "b_out": self.weights["b_out"] * self.size[:, None],
        }

    def edits(self, positions: Positions) -> tuple[Edit, ...]:
        """Return the networks as edits, which gradients flow through."""
        parts = zip(*self.folded().values(), strict=True)
        return tuple(
            AddVector(layer, Predictor(*own), 1.0, positions) for layer, own in zip(self.layers, parts, strict=True)
        )


def copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return copies without gradient."""
    return {name: tensor.detach().clone() for name, tensor in weights.items()}


def put(weights: Mapping[str, Tensor], values: Mapping[str, Tensor], names: Sequence[str] = NAMES) -> None:
    """Write values into weights that are trained."""
    with torch.no_grad():
        for name in names:
            weights[name].copy_(values[name])
