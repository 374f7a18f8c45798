"""Random weights in released names and shards, one shard in memory at a time."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from trimtab.testing.realistic.published import Made, Published

POOL = 4_194_301
"""Random numbers drawn, a prime."""
EXPERTS = ".experts."
"""What names of maps have in them that are stacked, a map an expert."""
BIAS_FAN_IN = 2500
"""Biases and other vectors are as small as the weights of a map of this width."""


@dataclass(frozen=True)
class _Tensor:
    """What is written under a published name.

    Attributes:
        shape: Its shape in the files.
        fan_in: How many numbers one of its outputs is made of, if it is a map.
        value: What all of its entries are; None for random ones.
    """

    shape: torch.Size
    fan_in: int
    value: float | None = None


def write_weights(folder: Path, made: Made, shards: int, seed: int) -> None:
    """Write ``model-*.safetensors`` and their index for the configuration that lies in a folder."""
    from safetensors.torch import save_file

    dtype = getattr(torch, made.dtype)
    tensors = _tensors(folder, made.release.family, made.tied)
    parts = _cut({name: tensor.shape for name, tensor in tensors.items()}, shards)
    where: dict[str, str] = {}
    for number, part in enumerate(parts, 1):
        name = f"model-{number:05d}-of-{len(parts):05d}.safetensors"
        save_file({key: _filled(key, tensors[key], dtype, seed) for key in part}, folder / name, {"format": "pt"})
        where.update(dict.fromkeys(part, name))
    size = sum(tensor.shape.numel() for tensor in tensors.values()) * dtype.itemsize
    index = {"metadata": {"total_size": size}, "weight_map": dict(sorted(where.items()))}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=2))


def _tensors(folder: Path, family: Published, tied: bool) -> dict[str, _Tensor]:
    """Return what is written, by published name; no weight is made for it."""
    import transformers

    config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        if family.part:
            model = transformers.AutoModelForMultimodalLM.from_config(getattr(config, family.part))
        else:
            [architecture, *_] = config.architectures or []
            model = getattr(transformers, architecture)(config)
    found = {name: _published(family, name, torch.Size(shape)) for name, shape in family.beside.items()}
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        old = next((o for o in family.names if name.startswith(o)), "")
        found[family.names.get(old, "") + name.removeprefix(old)] = _published(family, name, tensor.shape)
    return found


def _published(family: Published, name: str, shape: torch.Size) -> _Tensor:
    """Say how a tensor of today's name and shape is published."""
    value = next((value for end, value in family.values.items() if name.endswith(end)), _norm(family, name))
    of_experts = EXPERTS in name and len(shape) == 3
    fan_in = shape[-1] if of_experts else _fan_in(shape)
    if name.endswith(family.transposed):
        shape = torch.Size((shape[0], shape[2], shape[1]))
    return _Tensor(shape, fan_in, value)


def _fan_in(shape: torch.Size) -> int:
    return shape.numel() // shape[0] if len(shape) > 1 else BIAS_FAN_IN


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


def _filled(name: str, tensor: _Tensor, dtype: torch.dtype, seed: int) -> Tensor:
    """Fill a tensor: a map keeps the size of what it is given, so states and logits stay near 1 at any width."""
    if tensor.value is not None:
        return torch.full(tensor.shape, tensor.value, dtype=dtype)
    pool, filled = _pool(seed), torch.empty(tensor.shape.numel(), dtype=dtype)
    done, start = 0, zlib.crc32(name.encode()) % len(pool)
    while done < len(filled):
        piece = pool[start : start + len(filled) - done]
        torch.mul(piece, tensor.fan_in**-0.5, out=filled[done : done + len(piece)])
        done, start = done + len(piece), 0
    return filled.view(tensor.shape)


@cache
def _pool(seed: int) -> Tensor:
    """Draw the numbers that all tensors take theirs from, each from a place of its own: a billion draws take minutes.

    Their count is prime, so no two rows of a table are equal.
    """
    return torch.randn(POOL, generator=torch.Generator().manual_seed(seed))
