"""A tiny LLaVA."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def llava(layers: int) -> Parts:
    """A LLaVA-1.5."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = small_tokenizer(("<image>",), eos="</s>", pad="<pad>")
    config = LlavaConfig(
        text_config=text_config(tokenizer, layers, model_type="llama"),
        vision_config=tower_config(model_type="clip_vision_model", num_hidden_layers=3, image_size=56, patch_size=14),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    size = {"height": 56, "width": 56}
    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size=size)
    return LlavaForConditionalGeneration(config), tokenizer, processor, plain_template()
