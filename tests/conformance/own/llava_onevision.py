"""LLaVA-OneVision's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "llava_onevision",
        "LlavaOnevisionProcessor",
        num_image_tokens=16,
        vision_feature_select_strategy=model.hf.config.vision_feature_select_strategy,
        vision_aspect_ratio=model.hf.config.vision_aspect_ratio,
    )
