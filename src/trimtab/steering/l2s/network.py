"""Train the network of Learn-to-Steer in seconds on a CPU."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from trimtab.engine import Predictor
from trimtab.errors import UsageError
from trimtab.fields import Between, Count, Positive, check_fields

Loss = Literal["released", "paper"]

LEAST_SPREAD = 0.01
"""Floor on a dimension's standard deviation, as a share of the mean over dimensions."""


@dataclass(frozen=True)
class NetworkConfig:
    """Size and training of the network ``Linear - tanh - Linear``.

    Width, batch and epochs are the released code's. Its learning rate of 5e-5 to 1e-4 suits raw states over many
    more steps; inputs and targets are standardised here, which bears a rate twenty times as high.

    Attributes:
        width: Hidden units.
        loss: ``"released"``: MSE + L1 - 0.1 cosine, as the released code; ``"paper"``: MSE alone (L2S; AMPS
            eq. 12).
        epochs: Passes over the training items; the epoch with the best loss on held-out items is kept.
        learning_rate: Of Adam; falls to 0 along a cosine.
        batch_size: Items of a step.
        held_out: Share of the items held out to choose the epoch.
    """

    width: Count = 100
    loss: Loss = "released"
    epochs: Count = 100
    learning_rate: Positive = 2e-3
    batch_size: Count = 64
    held_out: Annotated[float, Between(0, 1, without="both")] = 0.1

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """States and vectors in the network's own units.

    Attributes:
        inputs: Standardised by dimension, ``(items, hidden)``.
        targets: Divided by one number, so that directions stay as they are, ``(items, hidden)``.
        mean: Mean target of the items trained on, ``(hidden,)``.
    """

    inputs: Float[Tensor, "items hidden"]
    targets: Float[Tensor, "items hidden"]
    mean: Float[Tensor, " hidden"]


@torch.enable_grad()
def fit_network(
    states: Float[Tensor, "items hidden"], vectors: Float[Tensor, "items hidden"], config: NetworkConfig, seed: int
) -> tuple[Predictor, dict[str, Any]]:
    """Learn to predict steering vectors from states.

    The network starts as the mean vector, its output weights at 0, so what it learns is what items do not share.
    The scaling it is trained in is folded into the returned weights.

    Args:
        states: Inputs, ``(items, hidden)``.
        vectors: Targets, ``(items, hidden)``.
        config: Size and training.
        seed: Seed of the held-out items, the weights and the order.

    Returns:
        The network in the model's own units; and the errors on the held-out items: ``held_out_error`` and
        ``held_out_error_of_mean``, mean squared errors over the mean squared target.

    Raises:
        UsageError: Fewer than two items.
    """
    if len(states) < 2:
        raise UsageError(
            f"`items` of fit must hold at least 2 usable items, one of them to choose the epoch; got {len(states)}."
        )
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(states), generator=generator)
    n_held = min(max(1, round(config.held_out * len(states))), len(states) - 1)
    held, train = order[:n_held], order[n_held:]
    # float64, and a floor on the spread: a constant dimension must stay one and not become rounding noise.
    center, spread = states[train].double().mean(0), states[train].double().std(0, correction=0)
    spread = spread.clamp_min(max(LEAST_SPREAD * float(spread.mean()), 1e-12))
    size = vectors[train].square().mean().sqrt().clamp_min(1e-12)
    scaled = _Scaled(((states - center) / spread).float(), vectors / size, vectors[train].mean(0) / size)
    network, best_epoch = _descend(scaled, train, held, config, generator)
    # tanh(W ((h - c) / s) + b) = tanh((W / s) h + (b - (W / s) c))
    w_in = network.w_in / spread
    b_in = network.b_in - w_in @ center
    folded = Predictor(w_in.float(), b_in.float(), network.w_out * size, network.b_out * size)
    power = vectors[held].square().mean().clamp_min(1e-24)
    return folded, {
        "held_out_items": n_held,
        "held_out_error": float((folded(states[held]) - vectors[held]).square().mean() / power),
        "held_out_error_of_mean": float((folded.b_out - vectors[held]).square().mean() / power),
        "best_epoch": best_epoch,
    }


def _descend(
    scaled: _Scaled, train: Tensor, held: Tensor, config: NetworkConfig, generator: torch.Generator
) -> tuple[Predictor, int]:
    """Run Adam and return the network of the best epoch; epoch 0 is the mean vector."""
    hidden = scaled.inputs.shape[1]
    w_in = torch.randn(config.width, hidden, generator=generator) / math.sqrt(hidden)
    network = Predictor(w_in, torch.zeros(config.width), torch.zeros(hidden, config.width), scaled.mean)
    learned = [t.requires_grad_() for t in (network.w_in, network.b_in, network.w_out)]
    adam = torch.optim.Adam(learned, lr=config.learning_rate)
    steps = config.epochs * math.ceil(len(train) / config.batch_size)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    lowest, best, best_epoch = math.inf, network, 0
    for epoch in range(config.epochs + 1):
        with torch.no_grad():
            loss = float(_loss(config.loss, network(scaled.inputs[held]), scaled.targets[held]))
        if loss < lowest:
            lowest, best, best_epoch = loss, _snapshot(network), epoch
        if epoch == config.epochs:
            break
        for batch in train[torch.randperm(len(train), generator=generator)].split(config.batch_size):
            adam.zero_grad()
            _loss(config.loss, network(scaled.inputs[batch]), scaled.targets[batch]).backward()
            adam.step()
            schedule.step()
    return best, best_epoch


def _snapshot(network: Predictor) -> Predictor:
    w_in, b_in, w_out = (t.detach().clone() for t in (network.w_in, network.b_in, network.w_out))
    return Predictor(w_in, b_in, w_out, network.b_out)


def _loss(kind: Loss, predicted: Tensor, target: Tensor) -> Tensor:
    error = functional.mse_loss(predicted, target)
    if kind == "paper":
        return error
    cosine = functional.cosine_similarity(predicted, target, dim=-1).mean()
    return error + functional.l1_loss(predicted, target) - 0.1 * cosine
