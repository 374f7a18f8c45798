"""Mistral 3: Pixtral's tower for pictures of any shape, and a token that ends each row of positions."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn.functional import pad

from trimtab.errors import DataError
from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import limit_edge, processed

ROW_ENDS, ENDS = "[IMG_BREAK]", "[IMG_END]"


class Mistral3(Family):
    """Parts of ``Mistral3ForConditionalGeneration``."""

    name = "mistral3"
    checkpoints = ("mistralai/Mistral-Small-3.1-24B-Instruct-2503",)
    processors = {"image": "PixtralImageProcessor"}

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Set the length that the processor scales a longer side down to."""
        return limit_edge(image_processor, most, at_most_own, 1, self.name)

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """Squares of merged patches in the scaled picture."""
        side, edge = _side(hf), image_processor.size["longest_edge"]
        ratio = max(height / edge, width / edge, 1.0)
        return -(-int(height / ratio) // side) * -(-int(width / ratio) // side)

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """A picture in whole squares of merged patches, with its height and width.

        Raises:
            DataError: It is one square, whose features transformers loses where no other picture is beside it.
        """
        batch = processed(processor, picture, patch_size=_side(hf))
        rows, columns = (batch["image_sizes"][0] // _side(hf)).tolist()
        if rows * columns == 1:
            raise DataError(
                f"an image for {self.name} must be larger than {_side(hf)} pixels in height or width, since its own "
                f"code fails on a single position; it is {picture.width} x {picture.height}; scale it up."
            )
        tensors = {"pixel_values": batch["pixel_values"], "image_sizes": batch["image_sizes"]}
        return MediaInput("image", tensors, rows * columns, key, grid=(rows, columns))

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """Row after row, each with its end; the last one's is the picture's."""
        rows, columns = medium.grid
        return ROW_ENDS.join([placeholder * columns] * rows) + ENDS

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Pictures filled up on the right and at the bottom to the size of the largest."""
        sizes = torch.cat([medium.tensors["image_sizes"] for medium in media])
        height, width = sizes.amax(0).tolist()
        pixels = [medium.tensors["pixel_values"] for medium in media]
        pixels = [pad(p, (0, width - p.shape[-1], 0, height - p.shape[-2])) for p in pixels]
        return {"pixel_values": torch.cat(pixels), "image_sizes": sizes}


def _side(hf: HuggingFaceModel) -> int:
    """Pixels of a position's side."""
    config = hf.config
    return config.vision_config.patch_size * config.spatial_merge_size


register(Mistral3())
