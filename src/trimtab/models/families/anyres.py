"""Pictures in tiles of the resolution that fits best, without their padding, behind the whole picture in small.

LLaVA-1.6 began it. How many positions are left is asked of the model's own code: it packs tiles of one channel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL.Image import Image
from torch import Tensor, nn
from torch.nn.functional import pad

from trimtab.errors import UnsupportedModelError, UsageError
from trimtab.modalities import Modality
from trimtab.models.families.llava import has_class_token
from trimtab.models.family import Family
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import processed


class AnyResolution(Family):
    """What families have in common whose configuration has ``image_grid_pinpoints``."""

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Leave the processor the resolutions of at most so many pixels; larger pictures are scaled to fit them."""
        areas = [height * width for height, width in image_processor.image_grid_pinpoints]
        if most is None or (at_most_own and max(areas) <= most):
            return max(areas)
        if most < min(areas):
            raise UsageError(
                f"`max_pixels` of load must be at least {min(areas)} for {self.name}, its smallest resolution; got "
                f"{most}."
            )
        chosen = [
            resolution for resolution in image_processor.image_grid_pinpoints if resolution[0] * resolution[1] <= most
        ]
        image_processor.image_grid_pinpoints = chosen
        return max(height * width for height, width in chosen)

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """The whole picture's, and each row's of the tiles with its end."""
        from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

        width, height = _fitted(hf, image_processor, width, height)
        config = hf.config
        tiles = image_size_to_num_patches((height, width), config.image_grid_pinpoints, config.vision_config.image_size)
        return self.packed(hf, tiles, (height, width))

    def packed(self, hf: HuggingFaceModel, tiles: int, size: tuple[int, int]) -> int:
        """Positions that the model makes of so many tiles of a picture of this height and width."""
        features = torch.zeros(tiles, side(hf) ** 2, 1)
        given = self.packing(hf) | {"image_newline": torch.zeros(1)}
        [positions], _ = hf.model.pack_image_features([features], [size], **given)
        return len(positions)

    def packing(self, hf: HuggingFaceModel) -> dict[str, Any]:
        """What the model's own ``pack_image_features`` is given beside features, sizes and the end of a row."""
        raise NotImplementedError

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """The whole picture, its tiles row after row, and its height and width."""
        size = _fitted(hf, processor, *picture.size)
        fitted = picture if size == picture.size else picture.resize(size, processor.resample)
        batch = processed(processor, fitted, image_grid_pinpoints=hf.config.image_grid_pinpoints)
        tensors = {name: batch[name] for name in ("pixel_values", "image_sizes")}
        tiles = tensors["pixel_values"].shape[1]
        return MediaInput("image", tensors, self.packed(hf, tiles, (size[1], size[0])), key, grid=(tiles,))

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_tower

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """Pictures filled up with tiles of zeros, which the model leaves out."""
        most = max(tiles for medium in media for tiles in medium.grid)
        pixels = [medium.tensors["pixel_values"] for medium in media]
        filled = [pad(p, (0, 0, 0, 0, 0, 0, 0, most - p.shape[1])) for p in pixels]
        sizes = [medium.tensors["image_sizes"] for medium in media]
        return {"pixel_values": torch.cat(filled), "image_sizes": torch.cat(sizes)}

    def guard(self, hf: HuggingFaceModel) -> None:
        """Refuse features that are no square for a tile, which the model may fold wrongly without a word.

        Raises:
            UnsupportedModelError: A class token is kept, or a patch is left out in its place.
        """
        strategy = hf.config.vision_feature_select_strategy
        if has_class_token(hf) != (strategy == "default"):
            needed = "default" if has_class_token(hf) else "full"
            raise UnsupportedModelError(
                f"`vision_feature_select_strategy` of {self.name} must be {needed!r} for this vision tower, so that "
                f"each tile has {side(hf)} x {side(hf)} features; got {strategy!r}; correct config.json."
            )


def side(hf: HuggingFaceModel) -> int:
    """Rows of a tile's features."""
    config = hf.config.vision_config
    return config.image_size // config.patch_size


def _fitted(hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> tuple[int, int]:
    """The width and height that a picture is scaled down to, so that the model cuts it as the processor may.

    The model chooses among all resolutions of its configuration. What fits into one of the processor's is given that
    one or a smaller one.

    Raises:
        UnsupportedModelError: The processor has a resolution that the model does not have.
    """
    from transformers.image_processing_utils import select_best_resolution

    own, allowed = ([tuple(r) for r in found.image_grid_pinpoints] for found in (hf.config, image_processor))
    if not set(allowed) <= set(own):
        raise UnsupportedModelError(
            f"`image_grid_pinpoints` of the image processor must be among the model's ({own}); got {allowed}; correct "
            "preprocessor_config.json."
        )
    best = select_best_resolution((height, width), allowed)
    if select_best_resolution((height, width), own) == best:
        return width, height
    scale = min(best[0] / height, best[1] / width)
    return max(round(width * scale), 1), max(round(height * scale), 1)
