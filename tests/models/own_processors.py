"""The text that each family's own processor puts in a picture's place, asked of its class in transformers.

The classes want torchvision or a video processor to be made, but not to say this; so they are left unmade.
"""

from importlib import import_module
from typing import Any

from PIL.Image import Image

from trimtab.models import Model

OWN: dict[str, tuple[str, str]] = {
    "idefics3": ("idefics3", "Idefics3Processor"),
    "smolvlm": ("smolvlm", "SmolVLMProcessor"),
}
"""For each family, a package of transformers and the class of its processor."""


def own_texts(model: Model, pictures: list[Image]) -> list[str]:
    """What the processor's class writes for each of several pictures that are processed together."""
    package, name = OWN[model.family.name]
    kind = getattr(import_module(f"transformers.models.{package}.processing_{package}"), name)
    processor: Any = kind.__new__(kind)
    vars(processor).update(tokenizer=model.tokenizer, image_processor=model.image_processor, **_facts(model))
    inputs = model.image_processor(images=pictures, return_tensors="pt", **getattr(kind, "images_kwargs", {}))
    return [processor.replace_image_token(inputs, index) for index in range(len(pictures))]


def _facts(model: Model) -> dict[str, Any]:
    """What a released processor_config.json and tokenizer say."""
    return {
        "image_token": model.tokenizer.convert_ids_to_tokens(model.placeholders["image"]),
        "fake_image_token": "<fake_token_around_image>",
        "global_image_tag": "<global-img>",
        "global_image_token": "<global-img>",
        "image_seq_len": 4,
    }
