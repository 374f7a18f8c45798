"""Gemma 3's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of, token_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "gemma3",
        "Gemma3Processor",
        full_image_sequence=f"\n\n<start_of_image>{token_of(model) * 4}<end_of_image>\n\n",
    )
