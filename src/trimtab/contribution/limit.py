"""The score for ever smaller noise, exactly and without noise.

Near the clean answer a divergence is a quadratic form of the noise e: KL is ``e'Fe / 2`` and its gradient ``Fe``, with
``F = sum_k p_k g_k g_k'`` the Fisher information of the answer about the entries and ``g_k`` the gradient of the log
probability of token k. So the score tends to ``2 E[e'FFe / e'Fe]``. F has as many rows as there are entries, but no
more rank than there are tokens: everything follows from the inner products of the ``g_k``. ``docs/contribution.md``
has the derivation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float64
from torch import Tensor

from trimtab.contribution.batch import QueryBatch
from trimtab.contribution.gradients import differentiate, gram
from trimtab.contribution.sampled import SMALLEST_DIVERGENCE, gradient_weights, noise_sizes, seen_slots, summed_over
from trimtab.contribution.shared_prefix import SharedPrefix, Trace
from trimtab.divergences import entropy
from trimtab.modalities import Modality
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS, Divergence

FACTORS: dict[Divergence, float] = {"kl": 2.0, "kl_reversed": 2.0, "js": 0.5}
"""A divergence of ``c e'Fe`` has the score ``4 c E[e'FFe / e'Fe]``: c is 1/2 for KL either way, 1/8 for JS."""

SMALLEST_REST = 1e-6
"""Below this probability the tokens not told apart are left out: their gradient would be a difference of rounding."""


@dataclass(frozen=True, eq=False)
class TokenGradients:
    """Gradients of the log probabilities of each prompt's likeliest tokens, at the clean answer.

    Attributes:
        log_p: The log probabilities, ``(items, steps, tokens)``, float64.
        entropy: Of the whole answer, ``(items, steps)``.
        traces: What each layer's attention did, and its gradients, with a row for each step and token.
    """

    log_p: Float64[Tensor, "items steps tokens"]
    entropy: Float64[Tensor, "items steps"]
    traces: list[Trace]

    def gram(self, step: int, slots: slice) -> Float64[Tensor, "layers items tokens tokens 2"]:
        """Return the gradients' inner products over the entries in some slots, for keys and values."""
        tokens = self.log_p.shape[2]
        return gram(self.traces, slice(step * tokens, (step + 1) * tokens), slots).to(self.log_p.device)


def limit_scores(model: Model, batch: QueryBatch, config: MCS) -> Float64[Tensor, "items modalities 1 sigmas steps"]:
    """Compute the limit of ``sampled_scores`` for ever smaller sigmas: for ``ce`` its leading order at each sigma.

    Returns:
        ``(items, modalities, 1, sigmas, steps)``, in the order of the batch's slots.
    """
    gradients = token_gradients(model, batch, config.top_tokens)
    steps = range(batch.index.shape[1])
    forms = [[_forms(gradients, batch, modality, step, config) for step in steps] for modality in batch.slots]
    # (items, modalities, sigmas, steps, tokens, tokens): all of them are one eigenvalue problem
    m, n = (torch.stack([torch.stack([own[k] for own in row], 2) for row in forms], 1) for k in (0, 1))
    scores = _score(config.divergence, m, n, gradients.entropy[:, None, None])
    counts = torch.stack([summed_over(batch, modality, config) for modality in batch.slots], dim=1)
    return (scores / counts[:, :, None])[:, :, None]


def token_gradients(model: Model, batch: QueryBatch, tokens: int) -> TokenGradients:
    """Differentiate the log probabilities of the likeliest tokens, one row of a single-token pass for each."""
    steps, tokens = batch.index.shape[1], min(tokens, model.text_config.vocab_size)
    step = torch.arange(steps, device=batch.index.device).repeat_interleave(tokens)
    allowed = batch.allowed if steps == 1 else batch.allowed[:, step]
    prefix = SharedPrefix(batch.keys, batch.values, allowed)
    with torch.enable_grad():
        asked = batch.ids[:, step], batch.embeds[:, step], batch.positions[:, :, step]
        logits = prefix.answer(model, *asked)
    by_step = logits.detach().unflatten(1, (steps, tokens))[:, :, 0].double().log_softmax(-1)
    log_p, likeliest = by_step.topk(tokens)
    # The gradient of log p of a token by the logits is 1 there, less the probabilities.
    by_token = -by_step.exp()[:, :, None].repeat(1, 1, tokens, 1)
    by_token.scatter_add_(3, likeliest[..., None], torch.ones_like(log_p)[..., None])
    differentiate(prefix, logits, by_token.flatten(1, 2).to(logits))
    return TokenGradients(log_p, entropy(by_step), prefix.traces)


def _forms(
    gradients: TokenGradients, batch: QueryBatch, modality: Modality, step: int, config: MCS
) -> tuple[Tensor, Tensor]:
    """Return what the squared gradients and the divergence are of one modality at one step.

    Returns:
        Two quadratic forms of the noise, between rows of tokens, ``(items, sigmas, tokens + 1, tokens + 1)``.
    """
    sizes = noise_sizes(batch, modality, config)
    weights = gradient_weights(batch, sizes, config).double()
    noisy = gradients.gram(step, batch.slots[modality])
    seen = seen_slots(batch, modality, config)
    counted = noisy if seen == batch.slots[modality] else gradients.gram(step, seen)
    rows = _with_rest(gradients.log_p[:, step].exp())[:, None]
    m = rows @ torch.einsum("inld,likqd->inkq", weights, counted) @ rows.mT
    n = rows @ torch.einsum("inld,likqd->inkq", sizes.double().square(), noisy) @ rows.mT
    return m, n


def expected_ratio(m: Float64[Tensor, "*rows k k"], n: Float64[Tensor, "*rows k k"]) -> Float64[Tensor, "*rows"]:
    """Return ``E[w'Mw / w'w]`` for ``w ~ N(0, N)``, by a one-dimensional integral.

    With ``l_i`` the eigenvalues of N and ``m_i`` the diagonal of M in its eigenvectors, it is the integral over
    t > 0 of ``prod_j (1 + 2 t l_j)^(-1/2) sum_i l_i m_i / (1 + 2 t l_i)``, since ``1 / w'w = int exp(-t w'w) dt``. On
    a logarithmic scale of t the trapezoidal rule is exact to rounding.

    Args:
        m: Symmetric, ``(..., k, k)``, float64.
        n: Positive semidefinite, the same shape.

    Returns:
        The expectation, ``(...)``; 0 where N is 0, NaN where M or N is not finite.
    """
    finite = m.isfinite().all(-1).all(-1) & n.isfinite().all(-1).all(-1)
    m, n = (torch.where(finite[..., None, None], matrix, 0) for matrix in (m, n))  # the solver raises for all of them
    values, vectors = torch.linalg.eigh(n)
    values = values.clamp_min(0)
    diagonal = (vectors * (m @ vectors)).sum(-2)
    largest = values.amax(-1, keepdim=True)
    shares = values / largest.clamp_min(torch.finfo(n.dtype).tiny)
    y, step = torch.linspace(-40, 80, 961, dtype=n.dtype, device=n.device), 120 / 960
    grown = 1 + 2 * y.exp()[:, None] * shares[..., None, :]
    terms = (shares * diagonal)[..., None, :] / grown
    integrand = terms.sum(-1) * (y - grown.log().sum(-1) / 2).exp()
    found = torch.where(largest[..., 0] > 0, integrand.sum(-1) * step, 0)
    return torch.where(finite, found, torch.nan)


def _score(kind: Divergence, m: Tensor, n: Tensor, h: Tensor) -> Tensor:
    if kind == "ce":  # CE tends to the entropy, not to 0, while its gradient is that of KL
        return (m * n).sum((-1, -2)) / h.clamp_min(SMALLEST_DIVERGENCE)
    return FACTORS[kind] * expected_ratio(m, n)


def _with_rest(p: Tensor) -> Tensor:
    """Return the map from the tokens' gradients g_k to the rows ``sqrt(p) g`` of tokens and rest.

    All probabilities sum to 1, so ``sum p g = 0``: the gradient of the rest's log probability is
    ``-sum_k p_k g_k / p_rest``.

    Args:
        p: Probabilities of the tokens told apart, ``(items, k)``.

    Returns:
        ``(items, k + 1, k)``.
    """
    rest = 1 - p.sum(-1, keepdim=True)
    small = rest < SMALLEST_REST
    last = torch.where(small, 0, -p / rest.clamp_min(SMALLEST_REST).sqrt())
    return torch.cat([torch.diag_embed(p.sqrt()), last[:, None]], dim=1)
