"""Ovis2: a picture as a whole and then its tiles, between tokens that have a table of embeddings of their own."""

from __future__ import annotations

from functools import partial
from math import prod

import torch
from PIL.Image import Image
from torch import Tensor, nn

from trimtab.models.families.internvl import InternVL
from trimtab.models.family import register
from trimtab.models.family_media import MediaInput
from trimtab.models.hugging_face import HuggingFaceModel, Processor
from trimtab.models.offload import home
from trimtab.models.processing import processed

BEGINS, WHOLE, COLUMN, ROW, ENDS = "<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>"


class Ovis2(InternVL):
    """Parts of ``Ovis2ForConditionalGeneration``."""

    name = "ovis2"
    checkpoints = ("thisisiron/Ovis2-1B-hf", "thisisiron/Ovis2-2B-hf")
    processors = {"image": "Ovis2ImageProcessor"}
    marks = {"image": "<image>"}

    def count_positions(self, hf: HuggingFaceModel, image_processor: Processor, width: int, height: int) -> int:
        """As many for the whole, and for each tile if there are several."""
        from transformers.models.ovis2 import image_processing_pil_ovis2 as own

        tile, least, most = image_processor.size, image_processor.min_patches, image_processor.max_patches
        if not image_processor.crop_to_patches:
            tiles = 1
        elif image_processor.use_covering_area_grid:
            tiles = prod(own.get_min_tile_covering_grid((height, width), tile["height"], most))
        else:
            sides = tile["height"], tile["width"]
            tiles = prod(own.get_optimal_tiled_canvas((height, width), sides, least, most))
        return (tiles + (tiles > 1)) * self.of_tile(hf)

    def show_image(self, hf: HuggingFaceModel, processor: Processor, picture: Image, key: str) -> MediaInput:
        """The whole picture, and then its tiles, row after row."""
        batch = processed(processor, picture)
        pixels, (rows, columns) = batch["pixel_values"], batch["grids"][0].tolist()
        tokens = len(pixels) * self.of_tile(hf)
        return MediaInput("image", {"pixel_values": pixels}, tokens, key, grid=(rows, columns))

    def of_tile(self, hf: HuggingFaceModel) -> int:
        """Positions of one tile, whose patches are padded to whole squares of them."""
        config = hf.config.vision_config
        return (-(-(config.image_size // config.patch_size) // config.hidden_stride)) ** 2

    def expand(self, medium: MediaInput, placeholder: str) -> str:
        """The whole, and then the rows of tiles."""
        rows, columns = medium.grid
        tiles = rows * columns
        tile = placeholder * (medium.n_tokens // (tiles + (tiles > 1)))
        grid = ROW.join([COLUMN.join([tile] * columns)] * rows) if tiles > 1 else ""
        return f"{BEGINS}{tile}{WHOLE}{grid}{ENDS}"

    def guard(self, hf: HuggingFaceModel) -> None:
        """Give the tokens around tiles their embeddings wherever they are looked up, as ``forward`` does of a picture.

        Where a model writes such a token itself, transformers' ``generate`` gives it the one that the text has for it.
        """
        super().guard(hf)
        hf.get_input_embeddings().register_forward_hook(partial(_indicated, hf))


def _indicated(hf: HuggingFaceModel, _module: nn.Module, args: tuple[Tensor], embeds: Tensor) -> Tensor:
    """Embeddings with those of the tokens around tiles, the last rows of the table of pictures."""
    table, [ids] = hf.model.visual_embeddings_table, args
    tokens = torch.tensor(hf.config.visual_indicator_token_ids, device=ids.device)
    most = hf.config.vision_config.vocab_size
    own = table(torch.arange(most - len(tokens), most, device=home(table))).to(embeds)
    places = (ids[..., None] == tokens).to(embeds.device)
    return torch.where(places.any(-1, keepdim=True), own[places.int().argmax(-1)], embeds)


register(Ovis2())
