"""Final norms as functions: root mean square with a weight or one more than it, and layer norm.

With the size of its input frozen, such a norm is linear, and so are the logits in the residual stream: what its parts
contribute adds up to them, but for what a bias adds.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from trimtab.models.offload import present

NormKind = Literal["rms", "rms_plus_one", "layer"]
NORMS: tuple[NormKind, ...] = get_args(NormKind)
"""``rms``: over the root mean square, times the weight; ``rms_plus_one``: times 1 + weight, as Gemma's;
``layer``: less the mean, over the standard deviation, times the weight, plus the bias if there is one."""


def normed(norm: nn.Module, kind: NormKind, states: Tensor) -> Tensor:
    """Return what a norm makes of states ``(..., hidden)``, in float32."""
    states = states.float()
    if kind == "layer":
        states = states - states.mean(-1, keepdim=True)
    out = states * _factors(norm, kind, states)
    bias = getattr(norm, "bias", None)
    with present(norm):
        return out if bias is None else out + norm.get_parameter("bias").float()


def before_norm(norm: nn.Module, kind: NormKind, directions: Tensor, states: Tensor) -> Tensor:
    """Return directions behind a norm as directions before it, where it is frozen at some states.

    The product of the result with any part of the states is that of the direction with what the norm makes of the part.

    Args:
        norm: The norm.
        kind: What it computes.
        directions: ``(..., hidden)``.
        states: Where it is frozen, ``(..., hidden)``.

    Returns:
        In the directions' type, on their device.
    """
    states = states.float()
    if kind == "layer":
        states = states - states.mean(-1, keepdim=True)
    before = directions * _factors(norm, kind, states).to(directions)
    return before - before.mean(-1, keepdim=True) if kind == "layer" else before


def _factors(norm: nn.Module, kind: NormKind, states: Tensor) -> Tensor:
    """Return what a norm multiplies each component of centred states by, in their shape."""
    known: Any = norm
    epsilon = getattr(known, "variance_epsilon", None)
    epsilon = known.eps if epsilon is None else epsilon
    with present(norm):
        weight = 1.0 if known.weight is None else known.weight.float()
    if kind == "rms_plus_one":
        weight = 1.0 + weight
    return weight * torch.rsqrt(states.square().mean(-1, keepdim=True) + epsilon)
