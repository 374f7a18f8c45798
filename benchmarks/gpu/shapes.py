"""Models in the shapes of released ones, with random weights made where they compute: seconds, and no files."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trimtab import Model
from trimtab.models.checkpoint import family_of
from trimtab.models.loading import from_parts
from trimtab.models.parts import choose_template, open_tokenizer
from trimtab.models.processors import open_processors
from trimtab.models.source import find
from trimtab.testing import SMALL, realistic_checkpoint


@dataclass(frozen=True)
class Shape:
    """A shape.

    Attributes:
        release: The released checkpoint whose files it has; a key of ``trimtab.testing.RELEASES``.
        sizes: Its sizes where ``realistic_checkpoint`` says otherwise.
    """

    release: str
    sizes: Mapping[str, int]


SHAPES = {
    "qwen2.5-vl-3b": Shape("qwen2.5-vl-3b", {"layers": 36, "vision_layers": 32}),
    "llava-1.5-7b": Shape("llava-1.5-7b", {"layers": 32, "vision_layers": 24}),
    "qwen2.5-vl-7b": Shape("qwen2.5-vl-7b", {"layers": 28, "vision_layers": 32}),
    "llava-3b": Shape(
        "llava-1.5-7b",
        {"layers": 32, "vision_layers": 24, "hidden": 2560, "intermediate": 6912, "heads": 20, "kv_heads": 20},
    ),
}
"""In the order in which they are measured. Nobody released ``llava-3b``: it is LLaVA-1.5 around a narrower decoder."""

TINY = {name: Shape(shape.release, {**SMALL, "layers": 4, "vision_layers": 2}) for name, shape in SHAPES.items()}
"""The same on a CPU, for trying the benchmark."""


def build(name: str, shape: Shape, device: torch.device, dtype: torch.dtype) -> Model:
    """Make a model of a shape; its weights are drawn on the device.

    Args:
        name: What to call it.
        shape: The shape.
        device: Where it computes.
        dtype: Type of the weights.
    """
    from transformers import AutoConfig, AutoModelForImageTextToText

    with tempfile.TemporaryDirectory() as folder:
        realistic_checkpoint(Path(folder), shape.release, sizes=shape.sizes, weights=False)
        base = find(folder)
        config: Any = AutoConfig.from_pretrained(folder)
        tokenizer, family = open_tokenizer(base), family_of(config, name)
        processors = open_processors(base, family)
        torch.manual_seed(0)
        with torch.device(device):
            hf: Any = AutoModelForImageTextToText.from_config(config, dtype=dtype)
        template = choose_template(base, tokenizer, family, family.written(hf, tokenizer))
    return from_parts(hf, tokenizer, processors, template, name=name, family=family, check=False)
