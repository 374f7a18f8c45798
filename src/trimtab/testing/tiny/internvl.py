"""A tiny InternVL: tiles of four positions, four of them at most and a thumbnail."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def internvl(layers: int) -> Parts:
    """An InternVL with a Qwen2 decoder."""
    from transformers import InternVLConfig, InternVLForConditionalGeneration
    from transformers.models.got_ocr2.image_processing_pil_got_ocr2 import GotOcr2ImageProcessorPil

    tokenizer = small_tokenizer(("<IMG_CONTEXT>", "<img>", "</img>"), eos="</s>", pad="<pad>")
    config = InternVLConfig(
        text_config=text_config(tokenizer, layers, model_type="qwen2"),
        vision_config=tower_config(image_size=28, patch_size=7),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=4,
    )
    processor = GotOcr2ImageProcessorPil(size={"height": 28, "width": 28}, max_patches=4)
    return InternVLForConditionalGeneration(config), tokenizer, processor, plain_template("<IMG_CONTEXT>")
