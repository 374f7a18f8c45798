"""Qwen2.5-VL.

By transformers' own conversion: how tensors are renamed. Of all else it was not kept where it was found, and it was
not looked up again. The template's words are written anew.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes


def files(made: Made) -> dict[str, Any]:
    """Return the small files: decoding that samples and punishes repetition, sizes of pictures in pixels."""
    return {
        "config.json": _config(made),
        "generation_config.json": qwen.decoding(made, "4.49.0", repetition_penalty=1.05, temperature=1e-06),
        "preprocessor_config.json": {
            "image_mean": qwen.CLIP_MEAN,
            "image_processor_type": "Qwen2VLImageProcessor",
            "image_std": qwen.CLIP_STD,
            "max_pixels": 12845056,
            "merge_size": 2,
            "min_pixels": 3136,
            "patch_size": 14,
            "processor_class": "Qwen2_5_VLProcessor",
            "temporal_patch_size": 2,
        },
        "tokenizer_config.json": qwen.tokenizer_config(made, qwen.TEMPLATE),
        "chat_template.json": {"chat_template": qwen.TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    rotary = sizes.head_width // 2
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        **qwen.ends(made),
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "image_token_id": ids["<|image_pad|>"],
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "max_position_embeddings": 128000,
        "max_window_layers": sizes.layers,
        "model_type": "qwen2_5_vl",
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
            "fullatt_block_indexes": [*range(7, sizes.vision_layers - 1, 8), sizes.vision_layers - 1],
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "in_chans": 3,
            "intermediate_size": sizes.vision_intermediate,
            "num_heads": sizes.vision_heads,
            "out_hidden_size": sizes.hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
        },
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "vocab_size": sizes.vocabulary,
    }


QWEN2_5_VL = Published("qwen2_5_vl", qwen.TOKENS, qwen.NAMES, files)
register(
    Release("qwen2.5-vl-7b", QWEN2_5_VL, Sizes(), spare=152064 - qwen.PIECES),
    Release(
        "qwen2.5-vl-3b",
        QWEN2_5_VL,
        Sizes(hidden=2048, intermediate=11008, heads=16, kv_heads=2, vocabulary=151936),
        spare=151936 - qwen.PIECES,
        tied=True,
    ),
)
