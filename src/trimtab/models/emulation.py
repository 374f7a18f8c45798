"""Types of numbers that a processor has no instructions for."""

from __future__ import annotations

import torch

INSTRUCTIONS = {
    torch.bfloat16: ("amx_bf16", "avx512_bf16"),
    torch.float16: ("amx_fp16", "avx512_fp16"),
}
"""What an x86 processor must have one of, to compute in a type of two bytes."""


def emulated(dtype: torch.dtype, device: torch.device) -> str | None:
    """Return a sentence if this processor must convert every number of a type; None if it need not, or cannot tell.

    Args:
        dtype: Type of the weights.
        device: Where they are.
    """
    asked = getattr(torch.cpu, "get_capabilities", None)  # not in earlier versions of torch
    if device.type != "cpu" or dtype not in INSTRUCTIONS or asked is None:
        return None
    has = asked()
    if has.get("architecture") != "x86_64" or any(has.get(name) for name in INSTRUCTIONS[dtype]):
        return None
    name = str(dtype).removeprefix("torch.")
    return (
        f"This processor has no instructions for {name} and converts every number: dtype='float32' is several times as "
        "fast here, in twice the memory."
    )
