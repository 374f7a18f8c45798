"""Qwen3-VL.

Found: the 4B's whole configuration, the widths of the 8B, the names of tensors; the sizes of pictures, of Qwen3.5,
whose processor is the same. As remembered, and not looked up: the decoding settings, the sizes of clips, the added
tokens, that the 8B is not tied, and the 2B's sizes. The template's words are written anew.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes

HALF = [0.5, 0.5, 0.5]


def files(made: Made) -> dict[str, Any]:
    """Return the small files: ``dtype`` in the text's part alone, a fast image processor, one for clips."""
    shown = {
        "image_mean": HALF,
        "image_std": HALF,
        "merge_size": 2,
        "patch_size": 16,
        "processor_class": "Qwen3VLProcessor",
        "temporal_patch_size": 2,
    }
    decoding = {"repetition_penalty": 1.0, "temperature": 0.7, "top_k": 20, "top_p": 0.8}
    return {
        "config.json": _config(made),
        "generation_config.json": qwen.decoding(made, "4.56.0", **decoding),
        "preprocessor_config.json": {
            **shown,
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "size": {"longest_edge": 16777216, "shortest_edge": 65536},
        },
        "video_preprocessor_config.json": {
            **shown,
            "size": {"longest_edge": 25165824, "shortest_edge": 4096},
            "video_processor_type": "Qwen3VLVideoProcessor",
        },
        "tokenizer_config.json": qwen.tokenizer_config(made, qwen.QWEN3_TEMPLATE, model_max_length=262144),
        "chat_template.json": {"chat_template": qwen.QWEN3_TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    rotary = sizes.head_width // 2
    sections = [3 * rotary // 8, 5 * rotary // 16, 5 * rotary // 16]
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "image_token_id": ids["<|image_pad|>"],
        "model_type": "qwen3_vl",
        "text_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            **qwen.ends(made),
            "dtype": made.dtype,
            "head_dim": sizes.head_width,
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 262144,
            "model_type": "qwen3_vl_text",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-06,
            "rope_scaling": {"mrope_interleaved": True, "mrope_section": sections, "rope_type": "default"},
            "rope_theta": 5000000,
            **({"tie_word_embeddings": True} if made.tied else {}),
            "use_cache": True,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": made.tied,
        "transformers_version": "4.57.0.dev0",
        "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "deepstack_visual_indexes": [0, 1, 2],  # as many levels as published, in a tower of few blocks
            "depth": sizes.vision_layers,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": sizes.vision_hidden,
            "in_channels": 3,
            "initializer_range": 0.02,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "qwen3_vl",
            "num_heads": sizes.vision_heads,
            "num_position_embeddings": 2304,
            "out_hidden_size": sizes.hidden,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
    }


QWEN3_VL = Published("qwen3_vl", qwen.QWEN3_TOKENS, {}, files)
SMALL_TOWER = {"vision_hidden": 1024, "vision_intermediate": 4096, "vision_layers": 3, "layers": 4, "head": 128}
LARGE_TOWER = {**SMALL_TOWER, "vision_hidden": 1152, "vision_intermediate": 4304}
WIDTHS: dict[str, dict[str, int]] = {
    "qwen3-vl-2b": {"hidden": 2048, "intermediate": 6144, "heads": 16, **SMALL_TOWER},
    "qwen3-vl-4b": {"hidden": 2560, "intermediate": 9728, "heads": 32, **SMALL_TOWER},
    "qwen3-vl-8b": {"hidden": 4096, "intermediate": 12288, "heads": 32, **LARGE_TOWER},
}
register(
    *(
        Release(
            name, QWEN3_VL, Sizes(**widths, kv_heads=8, vocabulary=151936), 151936 - qwen.PIECES, tied=name[-2:] != "8b"
        )
        for name, widths in WIDTHS.items()
    )
)
