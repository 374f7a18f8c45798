"""Qwen2-VL.

Found: that positions are written as ``{"type": "mrope"}`` and the tower by ``embed_dim`` and ``mlp_ratio``. As
remembered, and not looked up: all sizes, ids, keys, decoding settings and names of tensors of both releases. The
template's words are written anew.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes


def files(made: Made) -> dict[str, Any]:
    """Return the small files: one flat configuration, ``mrope`` as a type, pictures by ``min_pixels``."""
    decoding = {"repetition_penalty": 1.0, "temperature": 0.01, "top_k": 1, "top_p": 0.001}
    return {
        "config.json": _config(made),
        "generation_config.json": qwen.decoding(made, "4.37.0", **decoding),
        "preprocessor_config.json": {
            "image_mean": qwen.CLIP_MEAN,
            "image_processor_type": "Qwen2VLImageProcessor",
            "image_std": qwen.CLIP_STD,
            "max_pixels": 12845056,
            "merge_size": 2,
            "min_pixels": 3136,
            "patch_size": 14,
            "processor_class": "Qwen2VLProcessor",
            "temporal_patch_size": 2,
        },
        "tokenizer_config.json": qwen.tokenizer_config(
            made, qwen.TEMPLATE, model_max_length=32768, padding_side="left"
        ),
        "chat_template.json": {"chat_template": qwen.TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    rotary = sizes.head_width // 2
    return {
        "architectures": ["Qwen2VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        **qwen.ends(made),
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "image_token_id": ids["<|image_pad|>"],
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "max_position_embeddings": 32768,
        "max_window_layers": 28,
        "model_type": "qwen2_vl",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [rotary // 4, 3 * rotary // 8, 3 * rotary // 8], "type": "mrope"},
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": made.tied,
        "torch_dtype": made.dtype,
        "transformers_version": "4.41.2",
        "use_cache": True,
        "use_sliding_window": False,
        "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "depth": sizes.vision_layers,
            "embed_dim": sizes.vision_hidden,
            "hidden_size": sizes.hidden,
            "in_channels": 3,
            "in_chans": 3,
            "mlp_ratio": sizes.vision_intermediate // sizes.vision_hidden,
            "model_type": "qwen2_vl",
            "num_heads": sizes.vision_heads,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "vocab_size": sizes.vocabulary,
    }


QWEN2_VL = Published("qwen2_vl", qwen.OLD_TOKENS, qwen.NAMES, files)
register(
    Release("qwen2-vl-7b", QWEN2_VL, Sizes(vision_intermediate=5120), spare=152064 - qwen.PIECES),
    Release(
        "qwen2-vl-2b",
        QWEN2_VL,
        Sizes(hidden=1536, intermediate=8960, heads=12, kv_heads=2, vocabulary=151936, vision_intermediate=5120),
        spare=151936 - qwen.PIECES,
        tied=True,
    ),
)
