"""How far the answer under noise is from the clean one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from trimtab.contribution.options import Divergence


def divergence(kind: Divergence, clean: Tensor, noisy: Tensor) -> Tensor:
    """Compare next-token distributions x (clean) and z (noisy).

    Computed in float64: with small noise the distributions agree in their first digits, and the divergence is
    what is left.

    Args:
        kind: See ``MCS``. ``"ce"`` is Algorithm 1 line 7 of AMPS (arXiv 2602.12533) and the released
            code of functional entropy regularisation (arXiv 2010.10802).
        clean: Logits of x, ``(..., vocabulary)``.
        noisy: Logits of z, the same shape.

    Returns:
        The divergence of each row, in nats; a probability for ``"probability"``.
    """
    log_x, log_z = clean.double().log_softmax(-1), noisy.double().log_softmax(-1)
    return _KINDS[kind](log_x, log_z)


def entropy(logits: Tensor) -> Tensor:
    """Return the entropy of next-token distributions, in nats."""
    log_p = logits.double().log_softmax(-1)
    return -_mean_under(log_p, log_p)


def _mean_under(log_p: Tensor, values: Tensor) -> Tensor:
    """Average values under a distribution; a token without probability counts nothing, whatever its value."""
    p = log_p.exp()
    return torch.where(p > 0, p * values, 0).sum(-1)


def _js(log_x: Tensor, log_z: Tensor) -> Tensor:
    log_middle = torch.logaddexp(log_x, log_z) - torch.log(log_x.new_tensor(2))
    return (_mean_under(log_x, log_x - log_middle) + _mean_under(log_z, log_z - log_middle)) / 2


def _probability(log_x: Tensor, log_z: Tensor) -> Tensor:
    return log_z.gather(-1, log_x.argmax(-1, keepdim=True))[..., 0].exp()


_KINDS: dict[Divergence, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": lambda log_x, log_z: -_mean_under(log_x, log_z),
    "ce_reversed": lambda log_x, log_z: -_mean_under(log_z, log_x),
    "kl": lambda log_x, log_z: _mean_under(log_x, log_x - log_z),
    "kl_reversed": lambda log_x, log_z: _mean_under(log_z, log_z - log_x),
    "js": _js,
    "probability": _probability,
}
