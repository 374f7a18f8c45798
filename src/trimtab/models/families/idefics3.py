"""Idefics3 and SmolVLM: tiles of a picture between words that say their row and column, then the whole picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.modalities import Modality
from trimtab.models.family import Family, register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.processing import limit_edge, processed

AROUND, WHOLE = "<fake_token_around_image>", "<global-img>"


class Idefics3(Family):
    """Parts of ``Idefics3ForConditionalGeneration``."""

    name = "idefics3"
    checkpoints = ("HuggingFaceM4/Idefics3-8B-Llama3",)
    processors = {"image": "Idefics3ImageProcessor"}
    decoder_path = "model.text_model"

    def limit_pixels(self, image_processor: Processor, most: int | None, at_most_own: bool = False) -> int | None:
        """Set the length that the processor scales every long side to, in whole tiles."""
        return limit_edge(image_processor, most, at_most_own, image_processor.max_image_size["longest_edge"], self.name)

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """As many for each tile, and for the whole picture."""
        return max(image_processor.get_number_of_image_patches(height, width)[0], 1) * _of_tile(hf)

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """Tiles of a picture, row after row, and then the whole; alone if it is small or never cut."""
        batch = processed(processor, picture, return_row_col_info=True)
        pixels, grid = batch["pixel_values"], (batch["rows"][0][0], batch["cols"][0][0])
        return MediaInput("image", {"pixel_values": pixels}, pixels.shape[1] * _of_tile(hf), key, grid=grid)

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """The rows of tiles, a line each, and then the whole picture."""
        rows, columns = medium.grid
        tile = placeholder * (medium.n_tokens // (rows * columns + 1))
        lines = [
            "".join(f"{AROUND}<row_{row + 1}_col_{column + 1}>{tile}" for column in range(columns)) + "\n"
            for row in range(rows)
        ]
        return "".join(lines) + ("\n" if lines else "") + f"{AROUND}{WHOLE}{tile}{AROUND}"

    def tower(self, hf: HuggingFaceModel, kind: Modality) -> nn.Module:
        """The vision tower."""
        return hf.model.vision_model

    def joined(self, media: Sequence[MediaInput]) -> dict[str, Tensor]:
        """All tiles as one row of a batch, since rows of unequal length would need tiles of zeros."""
        return {"pixel_values": torch.cat([medium.tensors["pixel_values"] for medium in media], dim=1)}


class SmolVLM(Idefics3):
    """Parts of ``SmolVLMForConditionalGeneration``."""

    name = "smolvlm"
    checkpoints = ("HuggingFaceTB/SmolVLM-Instruct", "HuggingFaceTB/SmolVLM2-2.2B-Instruct")
    processors = {"image": "SmolVLMImageProcessor"}
    not_shown = {"video": "a clip's frames have the token of pictures, and tokens do not say which it is"}


def _of_tile(hf: HuggingFaceModel) -> int:
    """Positions of one tile."""
    return hf.model.image_seq_len


register(Idefics3())
register(SmolVLM())
