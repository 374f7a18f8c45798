"""Qwen3-VL's own text of a picture: with experts it has the same processor."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(model, pictures, "qwen3_vl", "Qwen3VLProcessor")
