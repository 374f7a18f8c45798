"""Logistic regression, by Newton's method."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

STEPS = 50
ENOUGH = 1e-9
"""Stop once no weight moves by more than this."""


def fit_logistic(
    inputs: Float[Tensor, "items features"],
    labels: Bool[Tensor, " items"],
    shares: Float[Tensor, " items"],
    penalty: float,
) -> tuple[Float[Tensor, " features"], float]:
    """Fit weights and bias.

    Minimises, with c an item's share and y its label as 1 or -1,

        sum_i c_i log(1 + exp(-y_i (w . x_i + b)))  +  penalty / 2  |w|^2

    on inputs that are brought to mean 0 and deviation 1; what is returned reads them as they are.

    Args:
        inputs: The features.
        labels: True where the gate is to open; both classes must be there.
        shares: How much each item counts; they sum to 1.
        penalty: Of the weights, not of the bias.
    """
    x = inputs.double()
    center, spread = x.mean(0), x.std(0, correction=0).clamp_min(1e-6)
    x = torch.cat([(x - center) / spread, torch.ones(len(x), 1, dtype=x.dtype, device=x.device)], 1)
    y, counted = labels.double(), shares.double()
    ridge = torch.full((x.shape[1],), penalty, dtype=x.dtype, device=x.device)
    ridge[-1] = 0.0
    weights = torch.zeros_like(ridge)
    for _ in range(STEPS):
        p = (x @ weights).sigmoid()
        slope = x.T @ (counted * (p - y)) + ridge * weights
        curvature = x.T @ ((counted * p * (1 - p))[:, None] * x) + ridge.diag()
        step = torch.linalg.solve(curvature + 1e-12 * torch.eye(len(ridge), dtype=x.dtype, device=x.device), slope)
        weights = weights - step
        if step.abs().max() < ENOUGH:
            break
    own = weights[:-1] / spread
    return own.float(), float(weights[-1] - own @ center)
