"""A digest that tells two models apart without reading every weight, whatever type the weights are in."""

from __future__ import annotations

import hashlib
import json
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from trimtab.errors import UnsupportedModelError
from trimtab.models.hugging_face import HuggingFaceModel
from trimtab.models.offload import tensors

SAMPLES = 4096
"""Values read from each tensor: a step of training turns the signs of some, and 70B models are read in seconds."""

# Not part of what the model computes: where it was loaded from and by which version.
VOLATILE = {
    "_name_or_path",
    "architectures",
    "transformers_version",
    "dtype",
    "torch_dtype",
    "_attn_implementation",
    "quantization_config",  # weights that stay quantised are hashed by their bytes
}


def weights_fingerprint(hf: nn.Module) -> str:
    """Hash the configuration and the signs of evenly spaced values of every tensor.

    Rounding to another type moves a value and may merge two of them, but it never turns a sign. So one checkpoint has
    one fingerprint in float32, bfloat16 and float16, exactly. What signs cannot tell is a tensor multiplied by
    positive factors, and tensors that are positive throughout, such as the weights of norms.

    Args:
        hf: The model; offloaded weights are brought in one module at a time.

    Returns:
        Sixteen hexadecimal digits.

    Raises:
        UnsupportedModelError: A tensor has no values.
    """
    parts = {name: _digest(name, tensor) for name, tensor in tensors(hf)}
    config = _without_volatile(cast(HuggingFaceModel, hf).config.to_dict())
    digest = hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode())
    for name in sorted(parts):
        digest.update(parts[name])
    return digest.hexdigest()[:16]


def _digest(name: str, tensor: Tensor) -> bytes:
    if tensor.is_meta:
        raise UnsupportedModelError(
            f"`hf` of a model must have values in every tensor; {name} is on the meta device, which keeps none; load "
            "its weights before asking for its fingerprint."
        )
    return hashlib.sha256(f"{name}{tuple(tensor.shape)}".encode() + _signs(tensor.reshape(-1))).digest()


def _signs(values: Tensor) -> bytes:
    """Pack the signs of evenly spaced values; integers, which are never rounded, are taken as they are."""
    count = min(len(values), SAMPLES)
    if count == 0:
        return b""
    # In whole numbers: a float32 cannot name the last of more than 2 ** 24 values.
    index = torch.arange(count, device=values.device) * (len(values) - 1) // max(count - 1, 1)
    sample = values[index]
    if not sample.is_floating_point():
        return sample.cpu().numpy().tobytes()
    return np.packbits(torch.signbit(sample.float()).cpu().numpy()).tobytes()


def _without_volatile(config: object) -> object:
    if isinstance(config, dict):
        return {k: _without_volatile(v) for k, v in config.items() if k not in VOLATILE}
    return config
