"""A tiny Gemma 4: up to 70 positions a picture, windows of 24 tokens, wider heads in layers that see everything."""

from __future__ import annotations

import torch

from trimtab.testing.tiny.parts import Parts, builder, plain_template, small_tokenizer, text_config, tower_config

SPECIAL = ("<|image|>", "<|image>", "<image|>", "<|video|>", "<|audio|>")


@builder
def gemma4(layers: int) -> Parts:
    """A Gemma 4 whose pictures see themselves, with inputs for each layer; the last one has no keys of its own."""
    return made(
        layers,
        layer_types=["sliding_attention", *["full_attention"] * (layers - 1)],
        use_bidirectional_attention="vision",
        hidden_size_per_layer_input=8,
        num_kv_shared_layers=int(layers > 2),
    )


def made(layers: int, **text: object) -> Parts:
    """A Gemma 4 of such a decoder; every other layer sees everything if nothing else is said."""
    from transformers import Gemma4Config, Gemma4ForConditionalGeneration
    from transformers.models.gemma4.image_processing_pil_gemma4 import Gemma4ImageProcessorPil

    tokenizer = small_tokenizer(SPECIAL, eos="<eos>", pad="<pad>")
    image, begins, ends, video, audio = (tokenizer.convert_tokens_to_ids(t) for t in SPECIAL)
    said = {
        "head_dim": 16,
        "global_head_dim": 32,
        "sliding_window": 24,
        "layer_types": ["sliding_attention", "full_attention"] * (layers // 2),
        "final_logit_softcapping": 5.0,
        "vocab_size_per_layer_input": len(tokenizer),
        "hidden_size_per_layer_input": 0,
        **text,
    }
    config = Gemma4Config(
        text_config=text_config(tokenizer, layers, **said),
        vision_config=tower_config(patch_size=4, head_dim=16, num_key_value_heads=2, position_embedding_size=256),
        image_token_id=image,
        boi_token_id=begins,
        eoi_token_id=ends,
        video_token_id=video,
        audio_token_id=audio,
    )
    processor = Gemma4ImageProcessorPil(patch_size=4, max_soft_tokens=70)
    model = Gemma4ForConditionalGeneration(config)
    for name, weight in model.named_parameters():
        if "norm" in name and "vision_tower" not in name:
            torch.nn.init.normal_(weight, mean=0.3 if "q_norm" in name else 1.0, std=0.2)  # else one key takes all
    return model, tokenizer, processor, plain_template("<|image|>")
