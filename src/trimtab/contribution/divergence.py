"""How far the answer under noise is from the clean one."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from trimtab.divergences import js, kl, mean_under

if TYPE_CHECKING:
    from trimtab.contribution.options import Divergence


def divergence(
    kind: Divergence, clean: Float[Tensor, "*#rows vocabulary"], noisy: Float[Tensor, "*rows vocabulary"]
) -> Float[Tensor, "*rows"]:
    """Compare next-token distributions x (clean) and z (noisy).

    Computed in float64: with small noise the distributions agree in their first digits, and the divergence is
    what is left.

    Args:
        kind: See ``MCS``. ``"ce"`` is Algorithm 1 line 7 of AMPS (arXiv 2602.12533) and the released
            code of functional entropy regularisation (arXiv 2010.10802).
        clean: Logits of x, ``(..., vocabulary)``; rows that have them in common are given once, as an axis of 1.
        noisy: Logits of z.

    Returns:
        The divergence of each row, in nats; a probability for ``"probability"``.
    """
    log_x, log_z = clean.double().log_softmax(-1), noisy.double().log_softmax(-1)
    return _KINDS[kind](log_x, log_z)


def _probability(log_x: Tensor, log_z: Tensor) -> Tensor:
    likeliest = log_x.argmax(-1, keepdim=True).expand(*log_z.shape[:-1], 1)
    return log_z.gather(-1, likeliest)[..., 0].exp()


_KINDS: dict[Divergence, Callable[[Tensor, Tensor], Tensor]] = {
    "ce": lambda log_x, log_z: -mean_under(log_x, log_z),
    "ce_reversed": lambda log_x, log_z: -mean_under(log_z, log_x),
    "kl": kl,
    "kl_reversed": lambda log_x, log_z: kl(log_z, log_x),
    "js": js,
    "probability": _probability,
}
