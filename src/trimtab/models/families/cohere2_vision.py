"""Command A Vision: tiles of a picture and then the whole of it, a word behind each; Cohere's decoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trimtab.modalities import Modality
from trimtab.models.families.aya_vision import BEGINS, ENDS, AyaVision
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import Processor, as_processor

BREAK = "<|IMG_LINE_BREAK|>"


class Cohere2Vision(AyaVision):
    """Parts of ``Cohere2VisionForConditionalGeneration``."""

    name = "cohere2_vision"
    checkpoints = ("CohereLabs/command-a-vision-07-2025",)
    processors = {"image": "Cohere2VisionImageProcessor"}
    marks = {}

    def open_processor(self, kind: Modality, settings: Mapping[str, Any]) -> Processor:
        """Its image processor without torchvision, which transformers does not have."""
        from trimtab.models.tiling import Cohere2VisionImageProcessorPil

        return as_processor(Cohere2VisionImageProcessorPil.from_dict(dict(settings)))

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """Each tile, and the whole picture, with a break behind it."""
        [tiles] = medium.grid
        tile = placeholder * (medium.n_tokens // tiles) + BREAK
        return f"{BEGINS}{tile * tiles}{ENDS}"


register(Cohere2Vision())
