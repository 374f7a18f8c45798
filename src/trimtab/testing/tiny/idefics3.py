"""Tiny models of the Idefics3 family: tiles of four positions, two rows and columns of them at most."""

from __future__ import annotations

from collections.abc import Callable

from trimtab.testing.tiny.parts import (
    MakesConfig,
    MakesModel,
    Parts,
    builder,
    plain_template,
    small_tokenizer,
    text_config,
    tower_config,
)

SPECIAL = ("<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>")
PLACES = tuple(f"<row_{row}_col_{column}>" for row in (1, 2) for column in (1, 2))


@builder
def idefics3(layers: int) -> Parts:
    """An Idefics3."""
    from transformers import Idefics3Config, Idefics3ForConditionalGeneration
    from transformers.models.idefics3.image_processing_pil_idefics3 import Idefics3ImageProcessorPil

    return _tiled(Idefics3Config, Idefics3ForConditionalGeneration, Idefics3ImageProcessorPil, layers)


@builder
def smolvlm(layers: int) -> Parts:
    """A SmolVLM."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    return _tiled(SmolVLMConfig, SmolVLMForConditionalGeneration, SmolVLMImageProcessorPil, layers)


def _tiled(
    config_class: MakesConfig,
    model_class: MakesModel,
    processor_class: Callable[..., object],
    layers: int,
) -> Parts:
    tokenizer = small_tokenizer(SPECIAL + PLACES, eos="</s>", pad="<pad>")
    config = config_class(
        text_config=text_config(tokenizer, layers, model_type="llama"),
        vision_config=tower_config(image_size=28, patch_size=7),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    processor = processor_class(size={"longest_edge": 56}, max_image_size={"longest_edge": 28})
    return model_class(config), tokenizer, processor, plain_template()
