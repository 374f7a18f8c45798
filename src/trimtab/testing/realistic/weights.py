"""Random weights in released names and shards, one shard in memory at a time."""

from __future__ import annotations

import json
import zlib
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trimtab.testing.realistic.published import Made, Published

POOL = 4_194_301
"""Random numbers drawn, a prime."""
BIAS_FAN_IN = 2500
"""Biases and other vectors are as small as the weights of a map of this width."""


def write_weights(folder: Path, made: Made, shards: int, seed: int) -> None:
    """Write ``model-*.safetensors`` and their index for the configuration that lies in a folder."""
    from safetensors.torch import save_file

    family, dtype = made.release.family, getattr(torch, made.dtype)
    today = _names(folder, family, made.tied)
    shapes = {published: shape for published, (_, shape) in today.items()}
    parts = _cut(shapes, shards)
    where: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        held = {key: _random(key, shapes[key], _norm(family, today[key][0]), dtype, seed) for key in part}
        save_file(held, folder / name, {"format": "pt"})
        where.update(dict.fromkeys(part, name))
    size = sum(shape.numel() for shape in shapes.values()) * dtype.itemsize
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _names(folder: Path, family: Published, tied: bool) -> dict[str, tuple[str, torch.Size]]:
    """Return the tensors' names of today and their shapes by published name; no weight is made for it."""
    import transformers

    config: Any = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        if family.part:
            model = transformers.AutoModelForMultimodalLM.from_config(getattr(config, family.part))
        else:
            model = getattr(transformers, config.architectures[0])(config)
    found = {name: (name, torch.Size(shape)) for name, shape in family.beside.items()}
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        old = next((o for o in family.names if name.startswith(o)), "")
        found[family.names.get(old, "") + name.removeprefix(old)] = name, tensor.shape
    return found


def _norm(family: Published, name: str) -> float | None:
    """Return what a norm's weights or biases are; None for other tensors."""
    if "norm" not in name and ".ln_" not in name:
        return None
    return 1.0 if name.endswith("weight") and not name.startswith(family.plus_one) else 0.0


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


def _random(name: str, shape: torch.Size, norm: float | None, dtype: torch.dtype, seed: int) -> Tensor:
    """Fill a tensor: a map keeps the size of what it is given, so states and logits stay near 1 at any width."""
    if norm is not None:
        return torch.full(shape, norm, dtype=dtype)
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
