"""A tiny LLaVA-1.6: tiles of 16 positions, five of them at most in a line or a square."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config

RESOLUTIONS = [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]


@builder
def llava_next(layers: int) -> Parts:
    """A LLaVA-1.6 with a Mistral decoder."""
    from transformers import LlavaNextConfig, LlavaNextForConditionalGeneration
    from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil

    tokenizer = small_tokenizer(("<image>",), eos="</s>", pad="<pad>")
    config = LlavaNextConfig(
        text_config=text_config(tokenizer, layers, model_type="mistral", head_dim=16, sliding_window=None),
        vision_config=tower_config(model_type="clip_vision_model", num_hidden_layers=3, image_size=28, patch_size=7),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_grid_pinpoints=RESOLUTIONS,
    )
    processor = LlavaNextImageProcessorPil(
        size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28}, image_grid_pinpoints=RESOLUTIONS
    )
    return LlavaNextForConditionalGeneration(config), tokenizer, processor, plain_template()
