"""Tiny models with random weights, built through the same code path as real ones."""

from __future__ import annotations

from collections.abc import Callable

import torch

from trimtab.errors import UsageError
from trimtab.models import Model, from_parts
from trimtab.testing.tiny import aya_vision, gemma3, glm4v, idefics3, internvl, llava, mistral3, qwen
from trimtab.testing.tiny.parts import Parts

BUILDERS: dict[str, Callable[[int], Parts]] = {
    "qwen2_5_vl": qwen.qwen2_5_vl,
    "llava": llava.llava,
    "qwen2_vl": qwen.qwen2_vl,
    "qwen3_vl": qwen.qwen3_vl,
    "idefics3": idefics3.idefics3,
    "smolvlm": idefics3.smolvlm,
    "internvl": internvl.internvl,
    "mistral3": mistral3.mistral3,
    "glm4v": glm4v.glm4v,
    "gemma3": gemma3.gemma3,
    "aya_vision": aya_vision.aya_vision,
}
TINY_FAMILIES = tuple(BUILDERS)
"""The families that there is a tiny model of."""


def tiny_model(family: str = "qwen2_5_vl", *, layers: int = 4, seed: int = 0, check: bool = True) -> Model:
    """Build a small random model of a family with a working tokenizer and image processor.

    Args:
        family: One of ``TINY_FAMILIES``.
        layers: Decoder blocks.
        seed: Seed of the weights.
        check: Run the load-time self-check.

    Returns:
        A float32 model on the CPU: hidden size 64, 4 query heads of width 16, 2 key-value heads.

    Raises:
        UsageError: The family is unknown.
    """
    if family not in BUILDERS:
        raise UsageError(f"`family` of tiny_model must be one of {', '.join(TINY_FAMILIES)}; got {family!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf, tokenizer, image_processor, template = BUILDERS[family](layers)
    return from_parts(hf, tokenizer, image_processor, template, name=f"tiny-{family}", check=check)
