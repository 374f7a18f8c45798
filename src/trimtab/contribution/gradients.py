"""Squared gradients of cache entries, from what the layers' attention did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from trimtab.contribution.shared_prefix import Trace


class LayerGradients(NamedTuple):
    """Gradients of a layer's attention, in the shapes of its trace."""

    scores: Float[Tensor, "items kv_heads rows group entries"]
    outputs: Float[Tensor, "items kv_heads rows group head_dim"]


def attention_gradients(loss: Float[Tensor, ""], traces: Sequence[Trace]) -> list[LayerGradients]:
    """Differentiate a sum over independent rows with respect to every layer's scores and outputs."""
    wanted = [*(t.scores for t in traces), *(t.outputs for t in traces)]
    found = torch.autograd.grad(loss, wanted, materialize_grads=True)
    return [LayerGradients(*pair) for pair in zip(found[: len(traces)], found[len(traces) :], strict=True)]


def squared_norms(trace: Trace, gradients: LayerGradients, rows: slice, slots: slice) -> Float[Tensor, "items rows 2"]:
    """Sum the squared gradients of the entries in some slots, row by row.

    The gradient of key j is ``sum_h d_hj q_h``, so its square summed over j is
    ``sum_hh' (q_h.q_h') sum_j d_hj d_h'j``; likewise for values, with ``g`` and ``a``.

    Returns:
        Of keys and of values, ``(items, rows, 2)``.
    """
    pairs = (
        (trace.queries[:, :, rows], gradients.scores[:, :, rows, :, slots]),
        (gradients.outputs[:, :, rows], trace.attention[:, :, rows, :, slots]),
    )
    return torch.stack([((a @ a.mT) * (b @ b.mT)).sum((1, 3, 4)) for a, b in pairs], dim=-1)


def gram(trace: Trace, gradients: LayerGradients, rows: slice, slots: slice) -> Float64[Tensor, "items rows rows 2"]:
    """Return the inner products of the gradients of rows that ask the same without noise.

    Args:
        trace: What the layer did.
        gradients: Of another quantity in each row.
        rows: The rows.
        slots: The entries to sum over.

    Returns:
        Of keys and of values, ``(items, rows, rows, 2)``, float64.
    """
    queries = trace.queries[:, :, rows][:, :, :1]
    attention = trace.attention[:, :, rows, :, slots][:, :, :1]
    scores, outputs = gradients.scores[:, :, rows, :, slots], gradients.outputs[:, :, rows]
    pairs = ((scores, (queries @ queries.mT) @ scores), (outputs, (attention @ attention.mT) @ outputs))
    return torch.stack([(_flat(a) @ _flat(b).mT).sum(1) for a, b in pairs], dim=-1)


def _flat(rows: Tensor) -> Tensor:
    """Join query heads and what each holds: ``(items, kv_heads, rows, n)``, in float64."""
    return rows.flatten(3).double()
