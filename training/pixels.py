"""Scenes to pixel tensors, in bulk: equal to the saved image processors, only faster."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from trimtab.pocket.scene import SIDE, Scene

QWEN_PATCH, QWEN_MERGE = 14, 2


def normalised(scenes: Sequence[Scene]) -> Tensor:
    """Render scenes to a batch x 3 x side x side tensor, normalised as CLIP does."""
    raw = np.stack([np.asarray(scene.render()) for scene in scenes]).astype(np.float32) / 255
    pixels = (raw - np.asarray(OPENAI_CLIP_MEAN, np.float32)) / np.asarray(OPENAI_CLIP_STD, np.float32)
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous()


def qwen_patches(pixels: Tensor) -> Tensor:
    """Cut normalised pictures into Qwen2.5-VL's flat patches, merge units together."""
    cells = SIDE // QWEN_PATCH // QWEN_MERGE
    x = pixels.reshape(-1, 3, cells, QWEN_MERGE, QWEN_PATCH, cells, QWEN_MERGE, QWEN_PATCH)
    x = x.permute(0, 2, 5, 3, 6, 1, 4, 7)[:, :, :, :, :, :, None]
    x = x.expand(-1, -1, -1, -1, -1, -1, 2, -1, -1)
    return x.reshape(-1, 3 * 2 * QWEN_PATCH**2)


def image_tokens(model: Any, pixels: Tensor) -> Tensor:
    """What the text decoder receives for each picture: batch x tokens x width."""
    inner = model.model
    if hasattr(inner, "visual"):
        side = SIDE // QWEN_PATCH
        grid = torch.tensor([[1, side, side]]).repeat(len(pixels), 1)
        features = inner.visual(qwen_patches(pixels), grid_thw=grid).pooler_output
        return features.reshape(len(pixels), -1, features.shape[-1])
    hidden = inner.vision_tower(pixels).last_hidden_state[:, 1:]
    return inner.multi_modal_projector(hidden)
