"""How far a view's answer is from the clean view's, at the position that predicts it."""

from __future__ import annotations

from jaxtyping import Float, Float32
from torch import Tensor

from trimtab.divergences import js, kl
from trimtab.interference.hardening.config import Consistency


def divergence(
    kind: Consistency, logits: Float[Tensor, "rows vocabulary"], clean: Float[Tensor, "rows vocabulary"]
) -> Float32[Tensor, " rows"]:
    """Return the divergence of each row's next-token distribution from its clean view's, in nats, ``(rows,)``.

    ``kl`` is ``KL(q || p)`` with the row's distribution q and the clean one p, as in the paper; ``js`` the
    Jensen-Shannon divergence, which is symmetric and at most ln 2. The clean view is the anchor: no gradient goes
    through it.

    Args:
        kind: ``kl`` or ``js``.
        logits: The rows' logits, ``(rows, vocabulary)``.
        clean: The clean views' logits, ``(rows, vocabulary)``.
    """
    q, p = logits.float().log_softmax(-1), clean.detach().float().log_softmax(-1)
    return kl(q, p) if kind == "kl" else js(q, p)
