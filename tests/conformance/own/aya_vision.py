"""Aya Vision's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of, token_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "aya_vision",
        "AyaVisionProcessor",
        patch_size=14,
        img_size=28,
        img_patch_token=token_of(model),
        start_of_img_token="<|START_OF_IMG|>",
        end_of_img_token="<|END_OF_IMG|>",
        tile_token="TILE",
        tile_global_token="TILE_GLOBAL",
    )
