"""An image processor that transformers has with torchvision alone, made of two of its others that need only PIL."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from transformers.image_utils import PILImageResampling, SizeDict
from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil
from transformers.models.mllama.image_processing_pil_mllama import get_optimal_tiled_canvas


class Cohere2VisionImageProcessorPil(GotOcr2ImageProcessorPil):
    """Command A Vision's tiles, which are square: GOT-OCR 2's way of cutting on the canvas that Llama 3.2 chooses.

    That canvas is the least enlargement of the picture, or else its least reduction; ``min_patches`` has no say in it.
    """

    size = {"height": 512, "width": 512}
    crop_to_patches = True
    patch_size = 16

    def crop_image_to_patches(
        self,
        image: np.ndarray,
        min_patches: int,
        max_patches: int,
        use_thumbnail: bool = True,
        patch_size: Any = None,
        resample: PILImageResampling | None = None,
    ) -> list[np.ndarray]:
        """Cut a picture, channels first, into tiles, row after row, with the whole of it behind several."""
        rows, columns = _canvas(image.shape[-2], image.shape[-1], max_patches, patch_size.height)
        scaled = SizeDict(height=rows * patch_size.height, width=columns * patch_size.width)
        tiles = super().crop_image_to_patches(  # of so many, one canvas alone has the scaled picture's shape
            self.resize(image, scaled, resample=resample),
            rows * columns,
            rows * columns,
            use_thumbnail=False,
            patch_size=patch_size,
            resample=resample,
        )
        return [*tiles, self.resize(image, patch_size, resample=resample)] if use_thumbnail and tiles[1:] else tiles

    def get_number_of_image_patches(self, height: int, width: int, images_kwargs: dict | None = None) -> int:
        """Count the tiles of a picture, the whole of it among them if there are several."""
        said: Mapping[str, Any] = images_kwargs or {}
        most, size = said.get("max_patches", self.max_patches), said.get("patch_size", self.size)
        if not said.get("crop_to_patches", self.crop_to_patches):
            return 1
        rows, columns = _canvas(height, width, most, size["height"])
        return rows * columns + (rows * columns > 1)


def _canvas(height: int, width: int, most: int, edge: int) -> tuple[int, int]:
    """Rows and columns of tiles for a picture."""
    down, across = get_optimal_tiled_canvas(height, width, most, edge)
    return int(down) // edge, int(across) // edge
