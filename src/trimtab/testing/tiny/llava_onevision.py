"""A tiny LLaVA-OneVision: tiles of 16 positions, whose features are scaled down where they are more than two tiles."""

from __future__ import annotations

from trimtab.models import FAMILIES, as_processor
from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config

RESOLUTIONS = [[height, width] for height in (28, 56, 84) for width in (28, 56, 84)]


@builder
def llava_onevision(layers: int) -> Parts:
    """A LLaVA-OneVision with a Qwen2 decoder."""
    from transformers import LlavaOnevisionConfig, LlavaOnevisionForConditionalGeneration
    from transformers.models.llava_onevision.image_processing_pil_llava_onevision import LlavaOnevisionImageProcessorPil

    special = ("<image>", "<video>")
    tokenizer = small_tokenizer(special, eos="</s>", pad="<pad>")
    image, video = tokenizer.convert_tokens_to_ids(special)
    config = LlavaOnevisionConfig(
        text_config=text_config(tokenizer, layers, model_type="qwen2"),
        vision_config=tower_config(
            model_type="siglip_vision_model", image_size=28, patch_size=7, vision_use_head=False
        ),
        image_token_index=image,
        video_token_index=video,
        image_grid_pinpoints=RESOLUTIONS,
        vision_aspect_ratio="anyres_max_2",
    )
    pictures = as_processor(
        LlavaOnevisionImageProcessorPil(size={"height": 28, "width": 28}, image_grid_pinpoints=RESOLUTIONS)
    )
    processors = {"image": pictures, "video": FAMILIES["llava_onevision"].clip_processor(pictures, {})}
    return LlavaOnevisionForConditionalGeneration(config), tokenizer, processors, plain_template(video="<video>")
