"""LLaVA-OneVision: one picture in tiles, whose features are scaled down where they are many; several pictures whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trimtab.modalities import Modality
from trimtab.models.families.anyres import AnyResolution
from trimtab.models.family import MediaInput, register
from trimtab.models.hugging_face import HuggingFaceModel
from trimtab.models.processing import processed


class LlavaOnevision(AnyResolution):
    """Parts of ``LlavaOnevisionForConditionalGeneration``."""

    name = "llava_onevision"
    checkpoints = ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava-hf/llava-onevision-qwen2-7b-ov-hf")
    processors = {"image": "LlavaOnevisionImageProcessor"}
    company = ("image",)

    def packing(self, hf: HuggingFaceModel) -> dict[str, Any]:
        """From how many tiles on their features are scaled down."""
        return {"vision_aspect_ratio": hf.config.vision_aspect_ratio}

    def show_among(self, hf: HuggingFaceModel, processor: Any, kind: Modality, medium: Any, key: str) -> MediaInput:
        """One tile, the whole picture in a square of the mean colour."""
        batch = processed(processor, medium, beside=[Image.new("RGB", (1, 1))])
        tensors = {name: batch[name][:1] for name in ("pixel_values", "image_sizes")}
        return MediaInput(kind, tensors, self.packed(hf, 1, (medium.height, medium.width)), key, grid=(1,))

    def embed_media(self, hf: HuggingFaceModel, media: Sequence[MediaInput]) -> list[Tensor]:
        """Pictures that are alone in their prompts first, since a count stands for all that follow each other."""
        order = sorted(range(len(media)), key=lambda place: _among(media[place]))
        encoded = super().embed_media(hf, [media[place] for place in order])
        return [features for _, features in sorted(zip(order, encoded, strict=True), key=lambda pair: pair[0])]

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Pictures filled up with tiles of zeros, and how many are in one prompt; what is not 1 leaves them whole."""
        counts = []
        for among, run in groupby(media, _among):
            number = len(list(run))
            counts += [max(number, 2)] if among else [1] * number
        return super().joined(media) | {"batch_num_images": torch.tensor(counts)}


def _among(medium: MediaInput) -> bool:
    """Whether a picture was prepared as one of several; alone it has a tile beside the whole."""
    return medium.grid == (1,)


register(LlavaOnevision())
