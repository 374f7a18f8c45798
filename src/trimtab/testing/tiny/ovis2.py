"""A tiny Ovis2: tiles of four positions, four of them at most beside the whole."""

from __future__ import annotations

from trimtab.testing.tiny.parts import TEXT_CONFIG, Parts, builder, plain_template, small_tokenizer, text_config
from trimtab.testing.tiny.parts import tower_config as tower

AROUND = ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")


@builder
def ovis2(layers: int) -> Parts:
    """An Ovis2 with a Qwen2 decoder and 64 words for what is seen."""
    from transformers import Ovis2Config, Ovis2ForConditionalGeneration
    from transformers.models.ovis2.image_processing_pil_ovis2 import Ovis2ImageProcessorPil

    tokenizer = small_tokenizer(("<IMG_ATOM>", *AROUND), eos="</s>", pad="<pad>")
    config = Ovis2Config(
        text_config=text_config(tokenizer, layers, model_type="qwen2"),
        vision_config=tower(image_size=28, patch_size=7, hidden_stride=2, vocab_size=69),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_ATOM>"),
        visual_indicator_token_ids=tokenizer.convert_tokens_to_ids(list(AROUND)),
        hidden_size=TEXT_CONFIG["hidden_size"],
        vocab_size=len(tokenizer),
    )
    processor = Ovis2ImageProcessorPil(size={"height": 28, "width": 28}, max_patches=4, crop_to_patches=True)
    return Ovis2ForConditionalGeneration(config), tokenizer, processor, plain_template()
