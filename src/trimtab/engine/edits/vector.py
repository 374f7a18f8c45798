"""Add a vector to a layer's output."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from trimtab.engine.edits.checks import check_layer
from trimtab.engine.encode import Encoded
from trimtab.errors import UsageError
from trimtab.models import Model

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

    w_in: Tensor
    b_in: Tensor
    w_out: Tensor
    b_out: Tensor

    def __call__(self, states: Tensor) -> Tensor:
        """Predict vectors ``(rows, hidden)`` from states ``(rows, hidden)``; computed in float32."""
        inner = torch.tanh(states.float() @ self.w_in.T + self.b_in)
        return inner @ self.w_out.T + self.b_out

    def to(self, device: torch.device) -> Predictor:
        """Return the network on a device, in float32."""
        return Predictor(*(t.to(device, torch.float32) for t in (self.w_in, self.b_in, self.w_out, self.b_out)))


@dataclass(frozen=True, eq=False)
class AddVector:
    """Add ``strength * vector`` to a layer's output.

    Attributes:
        layer: Decoder block, 0-based; its output is changed. Negative counts from the end.
        direction: The vector, ``(hidden,)``, or a network that predicts it once for each row.
        strength: The papers' alpha; 0 is exactly the unedited model.
        positions: ``all``: every prompt and generated token; ``from_last_prompt``: the last prompt token and
            all generated ones; ``last_prompt``: the last prompt token alone, which the generated ones still attend
            to; ``generated_only``: generated tokens, which leaves the first answer token as it is.
    """

    site: ClassVar[Literal["layer"]] = "layer"

    layer: int
    direction: Tensor | Predictor
    strength: float = 1.0
    positions: Positions = "from_last_prompt"

    def check(self, model: Model) -> None:
        """Refuse an edit that does not fit the model.

        Raises:
            UsageError: With the rule and this model's numbers.
        """
        check_layer(model, self.layer, "AddVector")
        if self.positions not in POSITIONS:
            raise UsageError(f"`positions` of AddVector must be one of {', '.join(POSITIONS)}; got {self.positions!r}.")
        if not math.isfinite(self.strength):
            raise UsageError(f"`strength` of AddVector must be finite; got {self.strength}; give a number.")
        vector = self.direction.b_out if isinstance(self.direction, Predictor) else self.direction
        if vector.shape != (model.hidden_size,):
            raise UsageError(
                f"`direction` of AddVector must have shape ({model.hidden_size},) for {model.name}; got "
                f"{tuple(vector.shape)}; fit it on this model."
            )
        if not torch.isfinite(vector).all():
            raise UsageError("`direction` of AddVector must be finite; it holds NaN or infinity; fit it again.")

    @property
    def name(self) -> str:
        """The name under which receipts count this edit."""
        return f"AddVector({self.positions})"

    def at_layers(self, model: Model) -> tuple[int, ...]:
        """Return the layers it acts at, counted from 0."""
        return (self.layer % model.n_layers,)

    def reach(self, prompt: Encoded) -> int:
        """Return the first token index the edit touches; earlier tokens may be reused from a cache."""
        return covered(self.positions, len(prompt))[0]


def covered(positions: Positions, length: int) -> tuple[int, int]:
    """Return the first token index a rule covers in a prompt of ``length`` tokens, and the first one after it."""
    return {
        "all": (0, sys.maxsize),
        "from_last_prompt": (length - 1, sys.maxsize),
        "last_prompt": (length - 1, length),
        "generated_only": (length, sys.maxsize),
    }[positions]
