"""Tiny models with random weights, made through the same code path as real ones; a file a family, found by place."""

from __future__ import annotations

import torch

from trimtab.errors import UsageError
from trimtab.models import Model, from_parts
from trimtab.registry import import_inside
from trimtab.testing.tiny.parts import BUILDERS as BUILDERS
from trimtab.testing.tiny.parts import builder as builder

import_inside(__name__, __path__)

TINY_FAMILIES = tuple(sorted(BUILDERS))
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
        hf, tokenizer, processors, template = BUILDERS[family](layers)
    return from_parts(hf, tokenizer, processors, template, name=f"tiny-{family}", check=check)
