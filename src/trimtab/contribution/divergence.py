"""How far the answer under noise is from the clean one."""

from __future__ import annotations

from torch import Tensor

from trimtab.contribution.config import Divergence


def divergence(kind: Divergence, clean: Tensor, noisy: Tensor) -> Tensor:
    """Compare next-token distributions; the clean one is the soft target.

    Computed in float64: with small noise the distributions agree in their first digits, and the divergence is
    what is left.

    Args:
        kind: ``"ce"``: ``CE(p_x, p_z)``, Algorithm 1 line 7 of AMPS (arXiv 2602.12533) and the released code of
            functional entropy regularisation (arXiv 2010.10802). ``"kl"``: ``KL(p_x, p_z)``.
        clean: Logits of the clean answer x, ``(rows, vocabulary)``.
        noisy: Logits of the answer under noise z, ``(rows, vocabulary)``.

    Returns:
        The divergence of each row, in nats, ``(rows,)``.
    """
    log_x, log_z = clean.double().log_softmax(-1), noisy.double().log_softmax(-1)
    measured = -log_z if kind == "ce" else log_x - log_z
    return (log_x.exp() * measured).sum(-1)
