"""Projected gradient descent on input embeddings, with sizes that follow the embeddings' own."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.interference.hardening.config import AttackConfig

LOSS_SCALE = 2.0**10
"""Gradients in half precision underflow; their sign, which is all that is used, does not depend on the scale."""


def attack(
    losses: Callable[[Tensor], Tensor],
    embeds: Float[Tensor, "rows length hidden"],
    marks: Float[Tensor, "rows length"],
    config: AttackConfig,
    seeds: Sequence[int],
) -> Float32[Tensor, "rows length hidden"]:
    """Find changes of marked positions that raise each row's loss.

    ``delta <- clip(delta + step * sign(grad loss), -size, size)`` from a uniform random start, with ``size`` a share of
    the root mean square of the row's marked embeddings. Everything is in float32: in bfloat16 most of a small change
    is rounded away. Gradients are taken with respect to the change alone: no parameter gets one, and none needs to be
    frozen and thawed.

    Args:
        losses: Gives each row's loss, ``(rows,)``, at changed embeddings.
        embeds: Embeddings, ``(rows, length, hidden)``; taken as constants.
        marks: 1 at positions to change, ``(rows, length)``; each row has some.
        config: Size, step and number of steps.
        seeds: Seed of each row's start.

    Returns:
        The change, ``(rows, length, hidden)``, float32, without gradient; zero where nothing is marked.
    """
    embeds, marks = embeds.detach().float(), marks[..., None]
    size = config.size * root_mean_square(embeds, marks)
    delta = _uniform(embeds, seeds) * size * marks
    for _ in range(config.steps):
        delta.requires_grad_()
        (slope,) = torch.autograd.grad(LOSS_SCALE * losses(embeds + delta).sum(), delta)
        stepped = delta.detach() + config.step * size * slope.sign()
        delta = stepped.clamp(-size, size) * marks
    return delta.detach()


def root_mean_square(
    embeds: Float[Tensor, "rows length hidden"], marks: Float[Tensor, "rows length 1"]
) -> Float[Tensor, "rows 1 1"]:
    """Return the root mean square of each row's marked embeddings, ``(rows, 1, 1)``."""
    count = marks.sum((1, 2), keepdim=True) * embeds.shape[-1]
    return ((embeds.square() * marks).sum((1, 2), keepdim=True) / count).sqrt()


def _uniform(like: Tensor, seeds: Sequence[int]) -> Tensor:
    """Draw each row from -1 to 1 by its own seed, so that rows do not depend on how a batch was cut."""
    rows = [torch.rand(like.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return (2 * torch.stack(rows) - 1).to(like.device)
