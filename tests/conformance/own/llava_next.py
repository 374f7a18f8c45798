"""LLaVA-NeXT's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "llava_next",
        "LlavaNextProcessor",
        patch_size=7,
        num_additional_image_tokens=1,
        vision_feature_select_strategy=model.hf.config.vision_feature_select_strategy,
    )
