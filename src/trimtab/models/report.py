"""What loading found: the facts of a checkpoint that a user should know before trusting numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PHOTO = (4032, 3024)
"""Width and height of a photo of 12 megapixels, as telephones take them."""


@dataclass(frozen=True)
class LoadReport:
    """What loading found.

    Attributes:
        dtype_stored: Type of the checkpoint's weights; None if it is not known.
        dtype: Type of the weights as they run.
        why_dtype: Why these differ, in a few words; empty if they do not.
        max_pixels: Most pixels of a picture before the image processor scales it down; None where every picture takes
            the same number of positions.
        photo_tokens: Positions that a photo of 12 megapixels takes; None if the family cannot say.
        overridden: Decoding settings of the checkpoint's ``generation_config`` that trimtab does not follow; its end
            tokens are always followed.
        quantization: How the checkpoint's weights were quantised; None for plain weights.
        shards: Files that hold the weights; 0 for a model that was handed over.
        tensors: Number of tensors of the checkpoint, all of which were placed.
        adapters: Folders of adapters merged into the weights, first to last.
        notes: What else was odd and how it was met, a sentence each.
    """

    dtype: str
    dtype_stored: str | None = None
    why_dtype: str = ""
    max_pixels: int | None = None
    photo_tokens: int | None = None
    overridden: Mapping[str, Any] = field(default_factory=dict)
    quantization: str | None = None
    shards: int = 0
    tensors: int = 0
    adapters: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
