"""A tiny Gemma 3: four positions a picture, every other layer with a window of 52 tokens."""

from __future__ import annotations

import torch

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config


@builder
def gemma3(layers: int) -> Parts:
    """A Gemma 3."""
    from transformers import Gemma3Config, Gemma3ForConditionalGeneration
    from transformers.models.gemma3.image_processing_pil_gemma3 import Gemma3ImageProcessorPil

    special = ("<image_soft_token>", "<start_of_image>", "<end_of_image>")
    tokenizer = small_tokenizer(special, eos="<eos>", pad="<pad>")
    shown, begins, ends = (tokenizer.convert_tokens_to_ids(t) for t in special)
    config = Gemma3Config(
        text_config=text_config(
            tokenizer,
            layers,
            head_dim=16,
            query_pre_attn_scalar=16,
            sliding_window=52,
            layer_types=["sliding_attention", "full_attention"] * (layers // 2) + ["sliding_attention"] * (layers % 2),
        ),
        vision_config=tower_config(model_type="siglip_vision_model", image_size=28, patch_size=7),
        image_token_index=shown,
        boi_token_index=begins,
        eoi_token_index=ends,
        mm_tokens_per_image=4,
    )
    processor = Gemma3ImageProcessorPil(size={"height": 28, "width": 28})
    model = Gemma3ForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "norm" in name and "vision_tower" not in name:
            torch.nn.init.normal_(weight, std=0.3)  # else 1 + weight is 1
    torch.nn.init.normal_(model.model.multi_modal_projector.mm_input_projection_weight, std=0.12)  # else 0
    return model, tokenizer, processor, plain_template("<start_of_image>")
