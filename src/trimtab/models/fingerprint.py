"""A digest that tells two models apart without reading every weight."""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

import torch
from torch import nn

SAMPLES = 16
"""Values read from each tensor: enough to notice any training step, little enough for 70B models."""

# Not part of what the model computes: where it was loaded from and by which version.
VOLATILE = {"_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype", "_attn_implementation"}


def weights_fingerprint(hf: nn.Module) -> str:
    """Hash the configuration and evenly spaced values of every tensor.

    Values are rounded to bfloat16 first, so one checkpoint has one fingerprint whether it is loaded in
    float32 or bfloat16.

    Returns:
        Sixteen hexadecimal digits.
    """
    digest = hashlib.sha256()
    config = _without_volatile(cast(Any, hf).config.to_dict())
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for name, tensor in sorted(hf.state_dict().items()):
        flat = tensor.detach().reshape(-1)
        index = torch.linspace(0, max(flat.numel() - 1, 0), SAMPLES).long().to(flat.device)
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        if flat.numel():
            digest.update(flat[index].to(torch.bfloat16).float().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def _without_volatile(config: Any) -> Any:
    if isinstance(config, dict):
        return {k: _without_volatile(v) for k, v in config.items() if k not in VOLATILE}
    return config
