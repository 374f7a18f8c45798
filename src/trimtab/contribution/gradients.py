"""Squared gradients of cache entries, from what the layers' attention did."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from trimtab.contribution.shared_prefix import SharedPrefix, Trace


def differentiate(prefix: SharedPrefix, outputs: Tensor, gradient: Tensor | None = None) -> None:
    """Put the gradients of every layer's scores and outputs into the traces of a prefix.

    Args:
        prefix: What was attended to.
        outputs: What is differentiated; its rows are independent.
        gradient: That of the outputs, in their shape; left out, their sum is differentiated.
    """
    own = torch.ones_like(outputs) if gradient is None else gradient
    torch.autograd.grad(outputs, prefix.anchor, own, allow_unused=True)


def squared_norms(traces: Sequence[Trace], rows: slice, slots: slice) -> Float[Tensor, "layers items rows 2"]:
    """Sum the squared gradients of the entries in some slots, layer by layer and row by row.

    The gradient of key j is ``sum_h d_hj q_h``, so its square summed over j is
    ``sum_hh' (q_h.q_h') sum_j d_hj d_h'j``; likewise for values, with ``g`` and ``a``.

    Returns:
        Of keys and of values, ``(layers, items, rows, 2)``.
    """
    pairs = (
        (_of_layers(traces, lambda t: t.queries[:, :, rows]), _scores(traces, rows, slots)),
        (_outputs(traces, rows), _of_layers(traces, lambda t: t.attention[:, :, rows, :, slots])),
    )
    return torch.stack([((a @ a.mT) * (b @ b.mT)).sum((2, 4, 5)) for a, b in pairs], dim=-1)


def gram(traces: Sequence[Trace], rows: slice, slots: slice) -> Float64[Tensor, "layers items rows rows 2"]:
    """Return the inner products of the gradients of rows that ask the same without noise.

    Args:
        traces: What the layers did; each row has the gradients of another quantity.
        rows: The rows.
        slots: The entries to sum over.

    Returns:
        Of keys and of values, ``(layers, items, rows, rows, 2)``, float64.
    """
    one, exact = slice(rows.start, rows.start + 1), torch.float64
    queries = _of_layers(traces, lambda t: t.queries[:, :, one], exact)
    attention = _of_layers(traces, lambda t: t.attention[:, :, one, :, slots], exact)
    scores, outputs = _scores(traces, rows, slots, exact), _outputs(traces, rows, exact)
    pairs = ((queries @ queries.mT, scores), (attention @ attention.mT, outputs))
    return torch.stack([_between_rows(heads, own) for heads, own in pairs], dim=-1)


def _between_rows(heads: Tensor, own: Tensor) -> Tensor:
    """Sum over query heads ``(heads[h, h'] own[q, h].own[k, h'])``, for all rows q and k.

    Args:
        heads: ``(layers, items, kv_heads, 1, group, group)``.
        own: ``(layers, items, kv_heads, rows, group, n)``.

    Returns:
        ``(layers, items, rows, rows)``.
    """
    flat, (rows, group) = own.flatten(3, 4), own.shape[3:5]
    products = (flat @ flat.mT).unflatten(4, (rows, group)).unflatten(3, (rows, group))
    return torch.einsum("likqhpg,likhg->liqp", products, heads.squeeze(3))


def _scores(traces: Sequence[Trace], rows: slice, slots: slice, dtype: torch.dtype | None = None) -> Tensor:
    def own(trace: Trace) -> Tensor:
        assert trace.of_scores is not None
        return trace.of_scores[:, :, rows, :, slots]

    return _of_layers(traces, own, dtype)


def _outputs(traces: Sequence[Trace], rows: slice, dtype: torch.dtype | None = None) -> Tensor:
    def own(trace: Trace) -> Tensor:
        assert trace.of_outputs is not None
        return trace.of_outputs[:, :, rows]

    return _of_layers(traces, own, dtype)


def _of_layers(traces: Sequence[Trace], part: Callable[[Trace], Tensor], dtype: torch.dtype | None = None) -> Tensor:
    """Return something of every layer, ``(layers, ...)``: one operation on all layers, not one for each of them."""
    device = traces[0].queries.device  # layers may be on different ones
    parts = [part(trace).to(device) for trace in traces]
    return torch.stack(parts, out=parts[0].new_empty(len(parts), *parts[0].shape, dtype=dtype or parts[0].dtype))
