"""A tiny Aya Vision: tiles of four positions, every other layer with a window of 80 tokens."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def aya_vision(layers: int) -> Parts:
    """An Aya Vision."""
    from transformers import AyaVisionConfig, AyaVisionForConditionalGeneration
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    special = ("<image>", "<|IMG_PATCH|>", "<|START_OF_IMG|>", "<|END_OF_IMG|>", "TILE_GLOBAL", "TILE")
    tokenizer = small_tokenizer(special, eos="</s>", pad="<pad>")
    kinds = ["sliding_attention", "full_attention"] * (layers // 2) + ["sliding_attention"] * (layers % 2)
    config = AyaVisionConfig(
        text_config=text_config(tokenizer, layers, model_type="cohere2", sliding_window=80, layer_types=kinds),
        vision_config=tower_config(
            model_type="siglip_vision_model", image_size=28, patch_size=7, vision_use_head=False
        ),
        image_token_index=tokenizer.convert_tokens_to_ids("<|IMG_PATCH|>"),
    )
    processor = GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, max_patches=4)
    return AyaVisionForConditionalGeneration(config), tokenizer, processor, plain_template()
