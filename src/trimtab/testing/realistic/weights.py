"""Random weights in released names and shards, one shard in memory at a time."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

QWEN_NAMES = {"model.language_model.": "model.", "model.visual.": "visual."}
LLAVA_NAMES = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}
NAMES = {"qwen2_5_vl": QWEN_NAMES, "llava": LLAVA_NAMES}
"""How today's names of parts begin, and how they begin in the published files."""

POOL = 4_194_301
"""Random numbers drawn, a prime."""
BIAS_FAN_IN = 2500
"""Biases and other vectors are as small as the weights of a map of this width."""


def write_weights(folder: Path, family: str, dtype: torch.dtype, shards: int, seed: int) -> None:
    """Write ``model-*.safetensors`` and their index for the configuration that lies in a folder."""
    from safetensors.torch import save_file

    shapes = _shapes(folder, family)
    parts = _cut(shapes, shards)
    where: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file({key: _random(key, shapes[key], dtype, seed) for key in part}, folder / name, {"format": "pt"})
        where.update(dict.fromkeys(part, name))
    size = sum(shape.numel() for shape in shapes.values()) * dtype.itemsize
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _shapes(folder: Path, family: str) -> dict[str, torch.Size]:
    """Return the tensors' shapes by published name; no weight is made for it."""
    from transformers import AutoConfig, AutoModelForImageTextToText

    config: Any = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    tied = config.tie_word_embeddings
    found = {}
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        old = next((o for o in NAMES[family] if name.startswith(o)), "")
        found[NAMES[family].get(old, "") + name.removeprefix(old)] = tensor.shape
    return found


def _cut(shapes: dict[str, torch.Size], shards: int) -> list[list[str]]:
    """Cut tensors, in their order, into shards of about equal size; none is empty."""
    share = sum(shape.numel() for shape in shapes.values()) / shards
    parts: list[list[str]] = [[]]
    size = 0
    for name, shape in shapes.items():
        if parts[-1] and size + shape.numel() / 2 > share * len(parts) and len(parts) < shards:
            parts.append([])
        parts[-1].append(name)
        size += shape.numel()
    return parts


def _random(name: str, shape: torch.Size, dtype: torch.dtype, seed: int) -> Tensor:
    """Fill a tensor: a map keeps the size of what it is given, so states and logits stay near 1 at any width."""
    if "norm" in name or "ln_q" in name:
        return torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=dtype)
    fan_in = shape.numel() // shape[0] if len(shape) > 1 else BIAS_FAN_IN
    pool, filled = _pool(seed), torch.empty(shape.numel(), dtype=dtype)
    done, start = 0, zlib.crc32(name.encode()) % len(pool)
    while done < len(filled):
        piece = pool[start : start + len(filled) - done]
        torch.mul(piece, fan_in**-0.5, out=filled[done : done + len(piece)])
        done, start = done + len(piece), 0
    return filled.view(shape)


@cache
def _pool(seed: int) -> Tensor:
    """Draw the numbers that all tensors take theirs from, each from a place of its own: a billion draws take minutes.

    Their count is prime, so no two rows of a table are equal.
    """
    return torch.randn(POOL, generator=torch.Generator().manual_seed(seed))
