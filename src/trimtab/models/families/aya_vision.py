"""Aya Vision: tiles of a picture between words that count them, then the whole picture; Cohere's decoder."""

from __future__ import annotations

from trimtab.models.families.internvl import InternVL
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel

BEGINS, ENDS, TILE, WHOLE = "<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE", "TILE_GLOBAL"


class AyaVision(InternVL):
    """Parts of ``AyaVisionForConditionalGeneration``."""

    name = "aya_vision"
    checkpoints = ("CohereLabs/aya-vision-8b", "CohereLabs/aya-vision-32b")
    marks = {"image": "<image>"}
    norm = "layer"

    def of_tile(self, hf: HuggingFaceModel) -> int:
        """Positions of one tile."""
        config = hf.config
        return (config.vision_config.image_size // config.vision_config.patch_size // config.downsample_factor) ** 2

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """Each tile after its number, and then the whole picture."""
        [tiles] = medium.grid
        tile = placeholder * (medium.n_tokens // tiles)
        numbered = "".join(f"{TILE}_{number}{tile}" for number in range(1, tiles))
        return f"{BEGINS}{numbered}{WHOLE}{tile}{ENDS}"


register(AyaVision())
