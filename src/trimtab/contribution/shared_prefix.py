"""One query token in each of many rows, over prefixes that rows share, with noise on a part of each prefix.

A plain cache would hold a noisy copy of all keys and values for each row. Here the clean ones are held once for an
item and the noise once for all items, since attention is linear in either: a noisy score is
``q.(k + s e) = q.k + s q.e``, and a noisy output ``sum_j a_j (v_j + s e_j)``. Nor is the gradient of a cache entry
ever formed. A key's is ``sum_h d_hj q_h`` and a value's ``sum_h a_hj g_h``, summed over the query heads h that read
the entry (``a`` attention, ``d`` gradient of its scores, ``g`` of the heads' outputs), so their squares come from
small Gram matrices of the heads.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformers import AttentionInterface

from trimtab.engine.local.whitebox import decoder_attention, engine_drives
from trimtab.errors import UnsupportedMethodError
from trimtab.models import Model

IMPLEMENTATION = "trimtab_shared_prefix"


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


@dataclass(frozen=True, eq=False)
class Trace:
    """What one layer's attention did, ``(items, kv_heads, rows, group, ...)``: the query heads grouped by key head.

    Attributes:
        queries: Queries times the attention's scaling, detached, ``(..., head_dim)``.
        scores: Of the prefix and, last, of the query's own token, ``(..., slots + 1)``.
        attention: Their softmax, detached.
        outputs: ``(..., head_dim)``.
    """

    queries: Float[Tensor, "items kv_heads rows group head_dim"]
    scores: Float[Tensor, "items kv_heads rows group entries"]
    attention: Float[Tensor, "items kv_heads rows group entries"]
    outputs: Float[Tensor, "items kv_heads rows group head_dim"]


@dataclass(eq=False)
class SharedPrefix:
    """Prefixes of some items, and the noise in force.

    Attributes:
        keys: For each layer ``(items, kv_heads, slots, head_dim)``, in float32 or better.
        values: The same shape.
        allowed: True where a row may look, ``(items, rows or 1, slots)``.
        noise: Noise on segments.
        traces: What the layers did in the last pass, first to last.
    """

    keys: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    values: tuple[Float[Tensor, "items kv_heads slots head_dim"], ...]
    allowed: Bool[Tensor, "items _ slots"]
    noise: tuple[Noise, ...] = ()
    traces: list[Trace] = field(default_factory=list)

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
        query: Float[Tensor, "queries heads 1 head_dim"],
        key: Float[Tensor, "queries kv_heads 1 head_dim"],
        value: Float[Tensor, "queries kv_heads 1 head_dim"],
        scaling: float,
    ) -> Float[Tensor, "queries 1 heads head_dim"]:
        """Attend with one query token a row; see the module.

        Args:
            layer: Which layer.
            query: ``(items * rows, heads, 1, head_dim)``.
            key: The query tokens' own, ``(items * rows, kv_heads, 1, head_dim)``.
            value: The same shape.
            scaling: What scores are multiplied with.

        Returns:
            Heads' outputs, ``(items * rows, 1, heads, head_dim)``.
        """
        keys, values = self.keys[layer], self.values[layer]
        items, heads, slots, width = keys.shape
        group = query.shape[1] // heads
        queries = scaling * query[:, :, 0].to(keys.dtype).view(items, -1, heads, group, width).transpose(1, 2)
        own_key, own_value = (
            own[:, :, 0].to(keys.dtype).view(items, -1, heads, 1, width).transpose(1, 2) for own in (key, value)
        )

        own_scores = (queries * own_key).sum(-1, keepdim=True)
        scores = torch.cat([self.prefix_scores(layer, queries), own_scores], dim=-1)
        if torch.is_grad_enabled() and not scores.requires_grad:  # the first layer's queries depend on no entry
            scores.requires_grad_()

        attention = scores.softmax(-1)
        outputs = torch.matmul(attention[..., :slots].flatten(2, 3), values).view(queries.shape)
        outputs = outputs + attention[..., slots:] * own_value
        for noise in self.noise:
            weights = attention[:, :, noise.rows, :, noise.slots]
            outputs[:, :, noise.rows] += _with_noise(noise, layer, weights, values=True)
        self.traces.append(Trace(queries.detach(), scores, attention.detach(), outputs))
        return outputs.transpose(1, 2).reshape(len(query), 1, -1, width).to(query.dtype)

    def prefix_scores(
        self, layer: int, queries: Float[Tensor, "items kv_heads rows group head_dim"]
    ) -> Float[Tensor, "items kv_heads rows group slots"]:
        """Return the scores of a layer's prefix with the noise in force, minus infinity where a row may not look."""
        keys = self.keys[layer]
        scores = torch.matmul(queries.flatten(2, 3), keys.mT).view(*queries.shape[:4], keys.shape[2])
        for noise in self.noise:
            scores[:, :, noise.rows, :, noise.slots] += _with_noise(noise, layer, queries[:, :, noise.rows])
        blocked = ~self.allowed.to(scores.device)[:, None, :, None]
        return scores.masked_fill(blocked, -torch.inf)


def _with_noise(noise: Noise, layer: int, rows: Tensor, values: bool = False) -> Tensor:
    """Multiply a block's queries with the noise on keys, or its attention with that on values.

    Args:
        noise: The noise.
        layer: Which layer.
        rows: ``(items, kv_heads, block, group, head_dim)``, or with ``slots`` at the end for values.
        values: Whether the noise is that on values.

    Returns:
        ``(items, kv_heads, block, group, slots)``, or with ``head_dim`` at the end for values.
    """
    normals = noise.normals[layer, int(values)].to(rows)
    sizes = noise.sizes[:, :, layer, int(values)].to(rows)
    items, heads, block, group, _ = rows.shape
    draws, sigmas = len(normals), sizes.shape[1]
    by_draw = rows.reshape(items, heads, draws, -1, rows.shape[-1]).permute(2, 1, 0, 3, 4)
    product = torch.matmul(by_draw.flatten(2, 3), normals if values else normals.mT)
    product = product.view(draws, heads, items, sigmas, -1, product.shape[-1]) * sizes[:, :, None, None]
    return product.permute(2, 1, 0, 3, 4, 5).reshape(items, heads, block, group, -1)


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
    return _CURRENT.get().attend(layer, query, key, value, scaling), None


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
