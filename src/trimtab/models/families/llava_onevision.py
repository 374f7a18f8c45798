"""LLaVA-OneVision: one picture in tiles, whose features are scaled down where they are many; several pictures whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from trimtab.media import Clip
from trimtab.modalities import Modality
from trimtab.models.families.anyres import AnyResolution, side
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.frames import FrameProcessor
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import processed


class LlavaOnevision(AnyResolution):
    """Parts of ``LlavaOnevisionForConditionalGeneration``."""

    name = "llava_onevision"
    checkpoints = ("llava-hf/llava-onevision-qwen2-0.5b-ov-hf", "llava-hf/llava-onevision-qwen2-7b-ov-hf")
    processors = {"image": "LlavaOnevisionImageProcessor", "video": "LlavaOnevisionVideoProcessor"}
    optional = ("video",)
    company = ("image",)
    one_length = ("video",)

    def placeholders(self, hf: HuggingFaceModel) -> dict[Modality, int]:
        """Ids of one position of a picture and of a clip."""
        return {"image": hf.config.image_token_id, "video": hf.config.video_token_id}

    def clip_processor(self, image_processor: Processor, settings: Mapping[str, Any]) -> FrameProcessor:
        """Scales every frame to the size of a tile."""
        return FrameProcessor(image_processor, settings)

    def packing(self, hf: HuggingFaceModel) -> dict[str, Any]:
        """From how many tiles on their features are scaled down."""
        return {"vision_aspect_ratio": hf.config.vision_aspect_ratio}

    def show_video(self, hf: HuggingFaceModel, processor: FrameProcessor, clip: Clip, key: str) -> MediaInput:
        """Frames, which have a quarter of a tile's positions each, and one end for all of them."""
        of_frame = hf.model.apply_pooling(torch.zeros(1, side(hf) ** 2, 1)).shape[1]
        tensors = {"pixel_values_videos": processor(clip)}
        return MediaInput("video", tensors, len(clip) * of_frame + 1, key, grid=(len(clip),))

    def show_image_among(
        self, hf: HuggingFaceModel, processor: Processor, picture: Image.Image, key: str
    ) -> MediaInput:
        """One tile, the whole picture in a square of the mean colour."""
        batch = processed(processor, picture, beside=[Image.new("RGB", (1, 1))])
        tensors = {name: batch[name][:1] for name in ("pixel_values", "image_sizes")}
        return MediaInput("image", tensors, self.packed(hf, 1, (picture.height, picture.width)), key, grid=(1,))

    def embed_media(self, hf: HuggingFaceModel, media: Sequence[MediaInput]) -> list[Tensor]:
        """Those that are prepared alike at a time: pictures alone, pictures among others, clips of each length."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, medium in enumerate(media):
            groups.setdefault(medium.grid if medium.kind == "video" else (_among(medium),), []).append(place)
        found: dict[int, Tensor] = {}
        for places in groups.values():
            found.update(zip(places, super().embed_media(hf, [media[place] for place in places]), strict=True))
        return [found[place] for place in range(len(media))]

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Clips of one length; or pictures filled up with tiles of zeros, and how many are in one prompt.

        A count that is not 1 leaves pictures whole, so pictures among others that follow each other have one count.

        Raises:
            UnsupportedModelError: Clips have different lengths.
        """
        if media[0].kind == "video":
            self.require_one_length(media)
            return {"pixel_values_videos": torch.cat([medium.tensors["pixel_values_videos"] for medium in media])}
        counts = []
        for among, run in groupby(media, _among):
            number = len(list(run))
            counts += [max(number, 2)] if among else [1] * number
        return super().joined(media) | {"batch_num_images": torch.tensor(counts)}


def _among(medium: MediaInput) -> bool:
    """Whether a picture was prepared as one of several; alone it has a tile beside the whole."""
    return medium.grid == (1,)


register(LlavaOnevision())
