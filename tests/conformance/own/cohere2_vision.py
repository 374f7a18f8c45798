"""Command A Vision's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "cohere2_vision",
        "Cohere2VisionProcessor",
        patch_size=model.image_processor.patch_size,
        boi_token="<|START_OF_IMG|>",
        eoi_token="<|END_OF_IMG|>",
        img_line_break_token="<|IMG_LINE_BREAK|>",
    )
