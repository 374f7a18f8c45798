"""What a vision tower holds while it encodes pictures, counted tensor by tensor from its sizes."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import torch

from trimtab.models.hugging_face import HuggingFaceModel

FLOAT32 = 4


def tower_bytes(hf: HuggingFaceModel, dtype: torch.dtype, positions: int) -> float:
    """Return about how many bytes pictures take that a tower encodes at once; 0 for a model without one.

    Counted are the pixels and the busiest moment of a block: while it attends, in its feed-forward network, or, in
    towers that merge patches, while their places are turned, which is done in float32.

    Args:
        hf: The model.
        dtype: Type of its numbers.
        positions: Positions of the pictures in a prompt, all together.
    """
    vision: Any = getattr(getattr(hf, "config", None), "vision_config", None)
    hidden: int = getattr(vision, "embed_dim", 0) or getattr(vision, "hidden_size", 0)
    size: Any = getattr(vision, "patch_size", 0)
    inner: int = getattr(vision, "intermediate_size", 4 * hidden)
    item, merged = dtype.itemsize, getattr(vision, "spatial_merge_size", 1) ** 2
    pixels = 3 * (prod(size) if isinstance(size, Sequence) else size**2) * getattr(vision, "temporal_patch_size", 1)
    block = item * max(10 * hidden, 4 * hidden + 3 * inner)
    given = FLOAT32 * pixels
    if item < FLOAT32:
        block = max(block, (5 * item + 6 * FLOAT32) * hidden) if merged > 1 else block
        given += item * pixels
    return positions * merged * (block + given)
