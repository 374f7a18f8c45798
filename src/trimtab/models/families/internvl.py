"""InternVL: tiles of a picture and a thumbnail of it, all in one row of positions."""

from __future__ import annotations

from typing import Any

from PIL.Image import Image
from torch import nn

from trimtab.errors import UsageError
from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import processed

CUT: dict[str, Any] = {"crop_to_patches": True}
"""What its own processor says to the image processor, whose file says otherwise."""


class InternVL(Family):
    """Parts of ``InternVLForConditionalGeneration``, in the format of transformers."""

    name = "internvl"
    checkpoints = ("OpenGVLab/InternVL3-1B-hf", "OpenGVLab/InternVL3-8B-hf")
    processors = {"image": "GotOcr2ImageProcessor"}
    begins, ends = "<img>", "</img>"

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Set the most tiles that a picture is cut into; the thumbnail is not counted."""
        tile, own = image_processor.size["height"] * image_processor.size["width"], int(image_processor.max_patches)
        if most is None or (at_most_own and own * tile <= most):
            return own * tile
        if most < tile:
            raise UsageError(
                f"`max_pixels` of load must be at least {tile} for {self.name}, the size of one tile; got {most}."
            )
        image_processor.max_patches = most // tile
        return most // tile * tile

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """As many for each tile, and for the thumbnail if there are several."""
        return image_processor.get_number_of_image_patches(height, width, CUT) * self.of_tile(hf)

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Tiles of a picture, row after row, and its thumbnail."""
        pixels = processed(processor, picture, **CUT)["pixel_values"]
        return MediaInput("image", {"pixel_values": pixels}, len(pixels) * self.of_tile(hf), key, grid=(len(pixels),))

    def of_tile(self, hf: HuggingFaceModel) -> int:
        """Positions of one tile."""
        config = hf.config
        (height, width), (down, across) = config.vision_config.image_size, config.vision_config.patch_size
        return int((height // down) * (width // across) * config.downsample_ratio**2)

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """All positions between the two tokens of a picture."""
        return f"{self.begins}{placeholder * medium.n_tokens}{self.ends}"

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower


register(InternVL())
