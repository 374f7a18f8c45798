"""Qwen2.5-Omni's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    own = texts_of(model, pictures, "qwen2_5_omni", "Qwen2_5OmniProcessor")
    return [f"<|vision_bos|>{text}<|vision_eos|>" for text in own]  # which its template leaves to the processor
