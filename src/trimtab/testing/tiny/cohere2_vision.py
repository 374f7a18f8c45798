"""A tiny Command A Vision: tiles of four positions, every other layer with a window of 72 tokens."""

from __future__ import annotations

from trimtab.models import FAMILIES
from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def cohere2_vision(layers: int) -> Parts:
    """A Command A Vision."""
    from transformers import Cohere2VisionConfig, Cohere2VisionForConditionalGeneration

    special = ("<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>")
    tokenizer = small_tokenizer(special, eos="</s>", pad="<pad>")
    kinds = ["sliding_attention", "full_attention"] * (layers // 2) + ["sliding_attention"] * (layers % 2)
    config = Cohere2VisionConfig(
        text_config=text_config(tokenizer, layers, model_type="cohere2", sliding_window=72, layer_types=kinds),
        vision_config=tower_config(
            model_type="siglip_vision_model", image_size=28, patch_size=7, vision_use_head=False
        ),
        image_token_id=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
        alignment_intermediate_size=64,
    )
    settings = {"size": {"height": 28, "width": 28}, "max_patches": 6, "patch_size": 2}
    processor = FAMILIES["cohere2_vision"].open_processor("image", settings)
    return Cohere2VisionForConditionalGeneration(config), tokenizer, processor, plain_template("<|IMG_PATCH|>")
