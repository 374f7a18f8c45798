"""Pixtral's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "pixtral",
        "PixtralProcessor",
        options={"patch_size": 14},
        image_break_token="[IMG_BREAK]",
        image_end_token="[IMG_END]",
        patch_size=7,
        spatial_merge_size=2,
    )
