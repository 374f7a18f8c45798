"""The eyes as one file."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

from training.smol.parts import SCALE, Eyes
from trimtab.smol import FORMAT, GGUF_SHA256


def save(eyes: Eyes, adapter: nn.ModuleDict, file: Path) -> None:
    """Write tower, projector and the language model's change, rounded to bfloat16."""
    tensors = {name: value for name, value in eyes.state_dict().items() if value.is_floating_point()}
    for dashed, change in adapter.items():
        name = f"adapter.{dashed.replace('-', '.')}"
        tensors |= {f"{name}.{key}": value for key, value in change.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {name: value.detach().to("cpu", torch.bfloat16).contiguous() for name, value in tensors.items()},
        file,
        metadata={"format": FORMAT, "scale": str(SCALE), "language_sha256": GGUF_SHA256},
    )
