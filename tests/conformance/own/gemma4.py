"""Gemma 4's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(model, pictures, "gemma4", "Gemma4Processor", boi_token="<|image>", eoi_token="<image|>")
