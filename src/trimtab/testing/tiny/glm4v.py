"""A tiny GLM-4.1V."""

from __future__ import annotations

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config

SHOWN = ("<|begin_of_image|>", "<|image|>", "<|end_of_image|>")
VIDEO = ("<|begin_of_video|>", "<|video|>", "<|end_of_video|>")


@builder
def glm4v(layers: int) -> Parts:
    """A GLM-4.1V."""
    from transformers import Glm4vConfig, Glm4vForConditionalGeneration
    from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil

    tokenizer = small_tokenizer(SHOWN + VIDEO, eos="</s>", pad="<pad>")
    begins, shown, ends = tokenizer.convert_tokens_to_ids(SHOWN)
    video_begins, video, video_ends = tokenizer.convert_tokens_to_ids(VIDEO)
    rope = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1], "partial_rotary_factor": 0.5}
    config = Glm4vConfig(
        text_config=text_config(tokenizer, layers, rope_parameters=rope),
        vision_config={
            "depth": 2,
            "num_heads": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "out_hidden_size": 64,
            "image_size": 56,
            "initializer_range": 0.12,
        },
        image_token_id=shown,
        image_start_token_id=begins,
        image_end_token_id=ends,
        video_token_id=video,
        video_start_token_id=video_begins,
        video_end_token_id=video_ends,
    )
    processor = Glm4vImageProcessorPil(size={"shortest_edge": 2 * 28 * 28, "longest_edge": 2 * 112 * 112})
    return Glm4vForConditionalGeneration(config), tokenizer, processor, plain_template("".join(SHOWN))
