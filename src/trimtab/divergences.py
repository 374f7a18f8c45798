"""How far distributions are apart, of logarithms of probabilities."""

from __future__ import annotations

import torch
from torch import Tensor


def mean_under(log_p: Tensor, values: Tensor) -> Tensor:
    """Average values under a distribution.

    An outcome without probability counts nothing, whatever its value, and so may be infinite.

    Args:
        log_p: Logarithms of the probabilities, ``(..., outcomes)``.
        values: A value for each outcome, the same shape.

    Returns:
        The averages, ``(...,)``.
    """
    p = log_p.exp()
    return torch.where(p > 0, p * values, 0).sum(-1)


def entropy(log_p: Tensor) -> Tensor:
    """Return the entropy in nats, ``(...,)``, of a distribution ``(..., outcomes)``."""
    return -mean_under(log_p, log_p)


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the Kullback-Leibler divergence KL(p || q) in nats, ``(...,)``, of distributions ``(..., outcomes)``."""
    return mean_under(log_p, log_p - log_q)


def js(log_p: Tensor, log_q: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence in nats, ``(...,)``: symmetric, and at most ln 2."""
    log_middle = torch.logaddexp(log_p, log_q) - torch.log(log_p.new_tensor(2))
    return (kl(log_p, log_middle) + kl(log_q, log_middle)) / 2
