"""Ovis2's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(model, pictures, "ovis2", "Ovis2Processor", image_seq_length=4)
