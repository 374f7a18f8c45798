"""The same computations in forms that a CPU trains faster; for training processes only.

On CPUs, torch 2.13's fused attention and its convolutions are several times slower backward than
the plain matrix products they stand for, and transformers runs one attention call per vision window.
Nothing but rounding changes; `tests/pocket` compares the results.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask
from transformers.models.clip import modeling_clip as clip
from transformers.models.llama import modeling_llama as llama
from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl as qwen

ATTENTION = "trimtab_plain"


def enable() -> None:
    """Use the faster forms in this process; models must then set attention to `ATTENTION`."""
    AttentionInterface.register(ATTENTION, _attention)
    AttentionMaskInterface.register(ATTENTION, eager_mask)
    qwen.Qwen2_5_VLVisionAttention.forward = _windowed_attention  # pyright: ignore[reportAttributeAccessIssue]
    qwen.Qwen2_5_VisionPatchEmbed.forward = _qwen_patches  # pyright: ignore[reportAttributeAccessIssue]
    qwen.Qwen2_5_VLRMSNorm.forward = _norm  # pyright: ignore[reportAttributeAccessIssue]
    llama.LlamaRMSNorm.forward = _norm  # pyright: ignore[reportAttributeAccessIssue]
    clip.CLIPVisionEmbeddings.forward = _clip_patches  # pyright: ignore[reportAttributeAccessIssue]


def compile_layers(layers: Iterable[nn.Module]) -> None:
    """Compile decoder layers one by one: minutes once, then a third less time a step."""
    torch._dynamo.config.recompile_limit = 64  # each layer counts as one
    for layer in layers:
        layer.forward = torch.compile(layer.forward, dynamic=True)


def _mix(query: Tensor, key: Tensor, value: Tensor, bias: Tensor | None, scale: float) -> Tensor:
    scores = (query * scale) @ key.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias
    return torch.softmax(scores, -1).to(value.dtype) @ value


def _norm(self, hidden_states: Tensor) -> Tensor:
    """RMS norm whose sum of squares is in float32, without a float32 copy of its input."""
    length = torch.linalg.vector_norm(hidden_states, dim=-1, keepdim=True, dtype=torch.float32)
    scale = torch.rsqrt(length.square() / hidden_states.shape[-1] + self.variance_epsilon)
    return hidden_states * scale.to(hidden_states.dtype) * self.weight


def _attention(module, query: Tensor, key: Tensor, value: Tensor, attention_mask, scaling=None, **_: object):
    """Plain attention; `attention_mask` is None or an additive bias, prepared by the caller."""
    if (pointer := getattr(module, "pointer", None)) is not None:
        pointer.take(query, key)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (part.repeat_interleave(groups, 1) for part in (key, value))
    scale = scaling or query.shape[-1] ** -0.5
    mixed = _mix(query.to(value.dtype), key.to(value.dtype), value, attention_mask, scale)
    return mixed.transpose(1, 2).contiguous(), None


def _windowed_attention(
    self, hidden_states: Tensor, cu_seqlens: Tensor, position_embeddings: tuple[Tensor, Tensor], **_: object
) -> Tensor:
    """All windows as one batch: ours are equally long."""
    length = hidden_states.shape[0]
    query, key, value = self.qkv(hidden_states).reshape(length, 3, self.num_heads, -1).unbind(1)
    cos, sin = (part[:, None].to(value.dtype) for part in position_embeddings)
    query, key = (part * cos + qwen.rotate_half(part) * sin for part in (query, key))
    window = int(cu_seqlens[1] - cu_seqlens[0])
    query, key, value = (
        part.reshape(-1, window, self.num_heads, part.shape[-1]).transpose(1, 2) for part in (query, key, value)
    )
    mixed = _mix(query, key, value, None, self.scaling)
    return self.proj(mixed.transpose(1, 2).reshape(length, -1))


def _qwen_patches(self, hidden_states: Tensor) -> Tensor:
    return F.linear(hidden_states, self.proj.weight.flatten(1))


def _clip_patches(self, pixel_values: Tensor, **_: object) -> Tensor:
    side = pixel_values.shape[-1] // self.patch_size
    x = pixel_values.reshape(-1, 3, side, self.patch_size, side, self.patch_size)
    patches = x.permute(0, 2, 4, 1, 3, 5).reshape(len(x), side * side, -1)
    embedded = F.linear(patches, self.patch_embedding.weight.flatten(1))
    whole = torch.cat([self.class_embedding.expand(len(x), 1, -1).to(embedded.dtype), embedded], 1)
    return whole + self.position_embedding(self.position_ids)
