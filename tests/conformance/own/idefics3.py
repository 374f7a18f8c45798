"""Idefics3's own text of a picture."""

from PIL.Image import Image

from tests.conformance.processor_classes import texts_of
from trimtab.models import Model


def texts(model: Model, pictures: list[Image]) -> list[str]:
    return texts_of(
        model,
        pictures,
        "idefics3",
        "Idefics3Processor",
        image_seq_len=4,
        fake_image_token="<fake_token_around_image>",
        global_image_tag="<global-img>",
    )
