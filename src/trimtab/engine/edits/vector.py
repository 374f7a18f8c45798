"""Add a vector to a layer's output."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.engine.capability import Capability, Sizes
from trimtab.engine.edits.checks import check_layer, check_number, check_tensor
from trimtab.engine.edits.edit import Edit, Site
from trimtab.engine.encoded import Encoded
from trimtab.errors import UsageError

Positions = Literal["all", "from_last_prompt", "last_prompt", "generated_only"]
POSITIONS: tuple[Positions, ...] = ("all", "from_last_prompt", "last_prompt", "generated_only")


@dataclass(frozen=True, eq=False)
class Predictor:
    """A two-layer network that predicts a row's vector from its state at the last prompt token.

    ``v = w_out tanh(w_in h + b_in) + b_out``: the steering network of Learn-to-Steer (arXiv 2508.12815) and AMPS
    (arXiv 2602.12533, eq. 12), as tensors.

    Attributes:
        w_in: ``(width, hidden)``.
        b_in: ``(width,)``.
        w_out: ``(hidden, width)``.
        b_out: ``(hidden,)``.
    """

    w_in: Float[Tensor, "width hidden"]
    b_in: Float[Tensor, " width"]
    w_out: Float[Tensor, "hidden width"]
    b_out: Float[Tensor, " hidden"]

    def __call__(self, states: Float[Tensor, "rows hidden"]) -> Float32[Tensor, "rows hidden"]:
        """Predict vectors ``(rows, hidden)`` from states ``(rows, hidden)``; computed in float32."""
        inner = torch.tanh(states.float() @ self.w_in.T + self.b_in)
        return inner @ self.w_out.T + self.b_out

    def to(self, device: torch.device) -> Predictor:
        """Return the network on a device, in float32."""
        return Predictor(*(t.to(device, torch.float32) for t in (self.w_in, self.b_in, self.w_out, self.b_out)))


@dataclass(frozen=True, eq=False)
class AddVector(Edit):
    """Add ``strength * vector`` to a layer's output.

    Attributes:
        layer: Decoder block, 0-based; its output is changed. Negative counts from the end.
        direction: The vector, ``(hidden,)``, or a network that predicts it once for each row.
        strength: The papers' alpha; 0 is exactly the unedited model.
        positions: ``all``: every prompt and generated token; ``from_last_prompt``: the last prompt token and
            all generated ones; ``last_prompt``: the last prompt token alone, which the generated ones still attend
            to; ``generated_only``: generated tokens, which leaves the first answer token as it is.
    """

    site: ClassVar[Site] = "layer"
    needs: ClassVar[Capability] = Capability.ADD_VECTOR

    layer: int
    direction: Float[Tensor, " hidden"] | Predictor
    strength: float = 1.0
    positions: Positions = "from_last_prompt"

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        check_layer(model, self.layer, "AddVector")
        if self.positions not in POSITIONS:
            raise UsageError(f"`positions` of AddVector must be one of {', '.join(POSITIONS)}; got {self.positions!r}.")
        check_number(self.strength, "strength", "AddVector", "give a number")
        size, remedy = model.hidden_size, "fit it on this model"
        if not isinstance(self.direction, Predictor):
            check_tensor(self.direction, (size,), "direction", "AddVector", model, remedy)
            return
        width = self.direction.b_in.shape[0] if self.direction.b_in.ndim == 1 else None
        shapes = {"w_in": (width, size), "b_in": (width,), "w_out": (size, width), "b_out": (size,)}
        for part, shape in shapes.items():
            check_tensor(getattr(self.direction, part), shape, f"direction.{part}", "AddVector", model, remedy)

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"AddVector({self.positions})"

    def at_layers(self, model: Sizes) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return (self.layer % model.n_layers,)

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index the edit touches; earlier tokens may be reused from a cache."""
        return covered(self.positions, len(prompt))[0]


@dataclass(frozen=True, eq=False)
class AddGatedVector(AddVector):
    """Add ``strength * gate * vector``, where each token has a gate of its own: ``w . h + b``, cut to 0..1.

    ``h`` is the token's state at the layer's output before anything is added.

    Attributes:
        weights: w, ``(hidden,)``.
        offset: b.
    """

    weights: Float[Tensor, " hidden"] | None = None
    offset: float = 0.0

    def check(self, model: Sizes) -> None:
        """Refuse an edit that does not fit the model; see ``AddVector.check``."""
        super().check(model)
        check_tensor(self.weights, (model.hidden_size,), "weights", "AddGatedVector", model, "fit it on this model")
        check_number(self.offset, "offset", "AddGatedVector", "give a number")

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"AddGatedVector({self.positions})"


def covered(positions: Positions, length: int) -> tuple[int, int]:
    """Return the first token index a rule covers in a prompt of ``length`` tokens, and the first one after it."""
    return {
        "all": (0, sys.maxsize),
        "from_last_prompt": (length - 1, sys.maxsize),
        "last_prompt": (length - 1, length),
        "generated_only": (length, sys.maxsize),
    }[positions]
