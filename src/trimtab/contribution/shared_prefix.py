"""One query token in each of many rows, over prefixes that rows share, with noise on a part of each prefix.

A plain cache would hold a noisy copy of all keys and values for each row. Here the clean ones are held once for an
item and the noise once for all items, since attention is linear in either: a noisy score is
``q.(k + s e) = q.k + s q.e``, and a noisy output ``sum_j a_j (v_j + s e_j)``. Nor is the gradient of a cache entry
ever formed. A key's is ``sum_h d_hj q_h`` and a value's ``sum_h a_hj g_h``, summed over the query heads h that read
the entry (``a`` attention, ``d`` gradient of its scores, ``g`` of the heads' outputs), so their squares come from
small Gram matrices of the heads. Both ``d`` and ``g`` pass by when a layer is differentiated, by formulas of our own:
of many small operations, autograd's would cost more than what they compute.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface

from trimtab.engine.local.whitebox import decoder_attention, engine_drives
from trimtab.errors import UnsupportedMethodError
from trimtab.models import Model

IMPLEMENTATION = "trimtab_shared_prefix"


KEYS, VALUES = 0, 1
"""Their places where numbers are given for both."""


@dataclass(frozen=True, eq=False)
class Noise:
    """Noise on one segment of every item's prefix, for a block of each item's rows.

    A block's rows are ordered by draw, then sigma, then generated step.

    Attributes:
        rows: The block among the rows of an item.
        slots: The segment's places in the prefix.
        normals: ``(layers, 2, draws, kv_heads, slots, head_dim)``, keys before values.
        sizes: Standard deviations, ``(items, sigmas, layers, 2)``.
    """

    rows: slice
    slots: slice
    normals: Float[Tensor, "layers 2 draws kv_heads slots head_dim"]
    sizes: Float[Tensor, "items sigmas layers 2"]

    def add(self, found: Tensor, given: Tensor, layer: int, kind: int, *, to_width: bool) -> None:
        """Multiply rows with the noise on a layer's keys or values, and add the product to what was found without.

        Args:
            found: ``(items, kv_heads, rows, group, head_dim)`` where ``to_width``, else with the slots at the end;
                changed in place.
            given: The other of the two.
            layer: Which layer.
            kind: ``KEYS`` or ``VALUES``.
            to_width: Whether slots are summed over.
        """
        normals = self.normals[layer, kind].to(given)
        sizes = self.sizes[:, :, layer, kind].to(given)[:, :, None, None]
        own, to = self._by_draw(given, slots=to_width), self._by_draw(found, slots=not to_width)
        if to_width:
            to += sizes * self._product(own, normals)
        else:
            to += self._product(sizes * own, normals.mT)

    def _by_draw(self, rows: Tensor, *, slots: bool) -> Tensor:
        """Return a view of the block's rows, ``(draws, kv_heads, items, sigmas, steps * group, n)``."""
        block = rows[:, :, self.rows, :, self.slots] if slots else rows[:, :, self.rows]
        draws, sigmas = self.normals.shape[2], self.sizes.shape[1]
        return block.view(*block.shape[:2], draws, sigmas, -1, block.shape[-1]).permute(2, 1, 0, 3, 4, 5)

    @staticmethod
    def _product(rows: Tensor, normals: Tensor) -> Tensor:
        product = torch.matmul(rows.flatten(2, 4), normals)
        return product.view(*rows.shape[:5], normals.shape[-1])


@dataclass(eq=False)
class Trace:
    """What one layer's attention did, ``(items, kv_heads, rows, group, ...)``: the query heads grouped by key head.

    Attributes:
        queries: Queries times the attention's scaling, ``(..., head_dim)``.
        attention: To the prefix and, last, to the query's own token, ``(..., slots + 1)``.
        outputs: ``(..., head_dim)``.
        of_scores: Gradients of the prefix's scores, ``(..., slots)``; None before there are any.
        of_outputs: Gradients of the outputs, ``(..., head_dim)``; None before there are any.
    """

    queries: Float[Tensor, "items kv_heads rows group head_dim"]
    attention: Float[Tensor, "items kv_heads rows group entries"]
    outputs: Float[Tensor, "items kv_heads rows group head_dim"]
    of_scores: Float[Tensor, "items kv_heads rows group slots"] | None = None
    of_outputs: Float[Tensor, "items kv_heads rows group head_dim"] | None = None


@dataclass(eq=False)
class SharedPrefix:
    """Prefixes of some items, and the noise in force.

    Attributes:
        keys: For each layer ``(items, kv_heads, slots, head_dim)``, in float32 or better.
        values: The same shape.
        allowed: True where a row may look, ``(items, rows or 1, slots)``.
        noise: Noise on segments.
        traces: What the layers did in the last pass, first to last.
        anchor: What the answer can be differentiated by, so that every layer is: the first layer's queries depend on
            nothing else.
    """

    keys: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    values: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    allowed: Bool[Tensor, "items _ slots"]
    noise: tuple[Noise, ...] = ()
    traces: list[Trace] = field(default_factory=list)
    anchor: Float[Tensor, ""] = field(default_factory=lambda: torch.zeros((), requires_grad=True))

    def __post_init__(self) -> None:
        self._blocked = not self.allowed.all()

    def answer(
        self,
        model: Model,
        ids: Int[Tensor, "items rows"],
        embeds: Float[Tensor, "items rows hidden"],
        positions: Int[Tensor, "axes items rows"],
    ) -> Float[Tensor, "items rows vocabulary"]:
        """Run the query tokens and keep the layers' traces.

        Args:
            model: The model.
            ids: The query tokens, text all of them, ``(items, rows)``.
            embeds: Their embeddings, ``(items, rows, hidden)``.
            positions: Their rotary positions, ``(axes, items, rows)``.

        Returns:
            Next-token logits in the precision of ``keys``, ``(items, rows, vocabulary)``.
        """
        items, rows, width = embeds.shape
        flat = embeds.reshape(items * rows, 1, width)
        mask = torch.ones(items * rows, 1, dtype=torch.long, device=embeds.device)
        self.traces = []
        with _in_force(model, self), engine_drives(model):
            at = positions.reshape(len(positions), items * rows, 1)
            own = {"ids": ids.reshape(items * rows, 1)}  # what media add and see of each other is in the prefix
            hidden = model.decode(flat, mask, at, extras=own)
        return model.logits(hidden[:, 0]).to(self.keys[0].dtype).view(items, rows, -1)

    def attend(
        self,
        layer: int,
        queries: Float[Tensor, "items kv_heads rows group head_dim"],
        own_key: Float[Tensor, "items kv_heads rows 1 head_dim"],
        own_value: Float[Tensor, "items kv_heads rows 1 head_dim"],
    ) -> Trace:
        """Attend with one query token a row; see the module.

        Args:
            layer: Which layer.
            queries: Queries times the attention's scaling.
            own_key: The query tokens' own.
            own_value: The same shape.
        """
        own_scores = (queries * own_key).sum(-1, keepdim=True)
        attention = torch.cat([self.prefix_scores(layer, queries), own_scores], dim=-1).softmax(-1)
        outputs = _joined(attention[..., :-1], self.values[layer]) + attention[..., -1:] * own_value
        for noise in self.noise:
            noise.add(outputs, attention, layer, VALUES, to_width=True)
        return Trace(queries, attention, outputs)

    def prefix_scores(
        self, layer: int, queries: Float[Tensor, "items kv_heads rows group head_dim"]
    ) -> Float[Tensor, "items kv_heads rows group slots"]:
        """Return the scores of a layer's prefix with the noise in force, minus infinity where a row may not look."""
        scores = _joined(queries, self.keys[layer].mT)
        for noise in self.noise:
            noise.add(scores, queries, layer, KEYS, to_width=False)
        if not self._blocked:
            return scores
        return scores.masked_fill(~self.allowed.to(scores.device)[:, None, :, None], -torch.inf)

    def of_queries(
        self, layer: int, trace: Trace, gradient: Float[Tensor, "items kv_heads rows group slots"]
    ) -> Float[Tensor, "items kv_heads rows group head_dim"]:
        """Return the gradient of a layer's queries, from that of its prefix's scores."""
        found = _joined(gradient, self.keys[layer])
        for noise in self.noise:
            noise.add(found, gradient, layer, KEYS, to_width=True)
        return found

    def of_attention(
        self, layer: int, gradient: Float[Tensor, "items kv_heads rows group head_dim"]
    ) -> Float[Tensor, "items kv_heads rows group slots"]:
        """Return the gradient of a layer's attention to its prefix, from that of its outputs."""
        found = _joined(gradient, self.values[layer].mT)
        for noise in self.noise:
            noise.add(found, gradient, layer, VALUES, to_width=False)
        return found


def _joined(rows: Tensor, entries: Tensor) -> Tensor:
    """Multiply ``(items, kv_heads, rows, group, n)`` with each item's ``(items, kv_heads, n, m)``."""
    return torch.matmul(rows.flatten(2, 3), entries).view(*rows.shape[:4], entries.shape[3])


class _Attend(torch.autograd.Function):
    """A layer's attention over the shared prefix in force, and its gradient."""

    @staticmethod
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, query: Tensor, key: Tensor, value: Tensor, _anchor: Tensor, layer: int, scaling: float
    ) -> Tensor:
        """Attend; see ``_attention``."""
        prefix = _CURRENT.get()
        items, heads, _, width = prefix.keys[layer].shape

        def by_item(own: Tensor) -> Tensor:
            """Return ``(items, kv_heads, rows, query heads of a key head, head_dim)``, in the precision of keys."""
            grouped = own.to(prefix.keys[layer].dtype).reshape(items, -1, heads, own.shape[1] // heads, width)
            return grouped.transpose(1, 2).contiguous()

        own_key, own_value = by_item(key), by_item(value)
        trace = prefix.attend(layer, scaling * by_item(query), own_key, own_value)
        prefix.traces.append(trace)
        ctx.known = prefix, layer, scaling, trace, own_key, own_value, query.dtype
        return _by_row(trace.outputs, query.dtype)

    @staticmethod
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, gradient: Tensor
    ) -> tuple[Tensor | None, ...]:
        """Differentiate the softmax of scores, whose derivative is ``a (d - sum a d)``, and the sums beside it."""
        prefix, layer, scaling, trace, own_key, own_value, dtype = ctx.known
        items, heads, rows, group, width = trace.outputs.shape
        of_outputs = gradient.to(own_key.dtype).reshape(items, rows, heads, group, width).transpose(1, 2).contiguous()
        mean = (of_outputs * trace.outputs).sum(-1, keepdim=True)
        to_prefix, to_own = trace.attention[..., :-1], trace.attention[..., -1:]
        of_scores = to_prefix * (prefix.of_attention(layer, of_outputs) - mean)
        trace.of_scores, trace.of_outputs = of_scores, of_outputs
        if not ctx.needs_input_grad[0]:
            return (None,) * 6
        of_own = to_own * ((of_outputs * own_value).sum(-1, keepdim=True) - mean)
        of_query = scaling * (prefix.of_queries(layer, trace, of_scores) + of_own * own_key)
        of_key = (of_own * trace.queries).sum(3, keepdim=True)
        of_value = (to_own * of_outputs).sum(3, keepdim=True)
        return *(_by_row(own, dtype).transpose(1, 2) for own in (of_query, of_key, of_value)), None, None, None


def _by_row(grouped: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ``(items, kv_heads, rows, group, head_dim)`` as ``(items * rows, 1, heads, head_dim)``."""
    items, heads, rows, group, width = grouped.shape
    return grouped.transpose(1, 2).reshape(items * rows, 1, heads * group, width).to(dtype)


_CURRENT: ContextVar[SharedPrefix] = ContextVar("shared_prefix")


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float,
    **options: object,
) -> tuple[Tensor, None]:
    """Have the shared prefix in force attend, for every layer of the decoder.

    Raises:
        UnsupportedMethodError: The layer's attention does more than a softmax of scaled products.
    """
    layer: object = module.layer_idx
    assert isinstance(layer, int)
    further = [name for name in ("softcap", "s_aux") if options.get(name) is not None]
    if further:
        raise UnsupportedMethodError(
            f"`contribution` must be measured where attention is a softmax of scaled products; layer {layer} of a "
            f"{type(module).__name__} has {further[0]} beside; use another method."
        )
    return cast(Tensor, _Attend.apply(query, key, value, _CURRENT.get().anchor, layer, scaling)), None


AttentionInterface.register(IMPLEMENTATION, _attention)


@contextmanager
def _in_force(model: Model, prefix: SharedPrefix) -> Iterator[None]:
    """Have the decoder, and it alone, attend over a shared prefix inside the block."""
    token = _CURRENT.set(prefix)
    try:
        with decoder_attention(model, IMPLEMENTATION):
            yield
    finally:
        _CURRENT.reset(token)
