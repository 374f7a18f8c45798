"""Qwen3.5.

By default of transformers: the 9B's sizes, three layers with a state before each that attends. Not known: the names of
marks behind Qwen3's, and what fills the vocabulary of 248,320 rows up; the template's words are written anew, without
its thoughts.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes

HALF = [0.5, 0.5, 0.5]
PERIOD = 4
"""Every so many layers one attends; of the few that are made the last does."""
ROTATED = 4
"""One in so many numbers of a head is rotated."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: two parts of ``config.json``, patches of 16 pixels."""
    shown = {"image_mean": HALF, "image_std": HALF, "merge_size": 2, "patch_size": 16, "temporal_patch_size": 2}
    return {
        "config.json": _config(made),
        "generation_config.json": qwen.decoding(made, "4.57.0", temperature=0.6, top_k=20, top_p=0.95),
        "preprocessor_config.json": {
            **shown,
            "image_processor_type": "Qwen2VLImageProcessorFast",
            "processor_class": "Qwen3VLProcessor",
            "size": {"longest_edge": 16777216, "shortest_edge": 65536},
        },
        "video_preprocessor_config.json": {
            **shown,
            "processor_class": "Qwen3VLProcessor",
            "size": {"longest_edge": 25165824, "shortest_edge": 4096},
            "video_processor_type": "Qwen3VLVideoProcessor",
        },
        "tokenizer_config.json": qwen.tokenizer_config(made, qwen.TEMPLATE),
        "chat_template.jinja": qwen.TEMPLATE,
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["Qwen3_5ForConditionalGeneration"],
        "image_token_id": ids["<|image_pad|>"],
        "model_type": "qwen3_5",
        "text_config": _decoder(made),
        "tie_word_embeddings": made.tied,
        "transformers_version": "4.57.0.dev0",
        "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "depth": sizes.vision_layers,
            "hidden_act": "gelu_pytorch_tanh",
            "hidden_size": sizes.vision_hidden,
            "in_channels": 3,
            "initializer_range": 0.02,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "qwen3_5",
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


def _decoder(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    rotary = sizes.head_width // ROTATED // 2
    sections = [(rotary + 2) // 3, (rotary + 1) // 3, rotary // 3]
    kinds = [
        "full_attention" if (sizes.layers - 1 - n) % PERIOD == 0 else "linear_attention" for n in range(sizes.layers)
    ]
    return {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "attn_output_gate": True,
        **qwen.ends(made),
        "dtype": made.dtype,
        "full_attention_interval": PERIOD,
        "head_dim": sizes.head_width,
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "layer_types": kinds,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_num_key_heads": sizes.heads,
        "linear_num_value_heads": 2 * sizes.heads,
        "linear_value_head_dim": 128,
        "max_position_embeddings": 262144,
        "model_type": "qwen3_5_text",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {
            "mrope_interleaved": True,
            "mrope_section": sections,
            "partial_rotary_factor": 1 / ROTATED,
            "rope_theta": 10000000,
            "rope_type": "default",
        },
        "use_cache": True,
        "vocab_size": sizes.vocabulary,
    }


NORMS = ("input_layernorm", "post_attention_layernorm", "self_attn")
"""What of a layer weighs by 1 + weight; the norms of states weigh by their weight."""
PLUS_ONE = (
    *(f"model.language_model.layers.{n}.{norm}" for n in range(64) for norm in NORMS),
    "model.language_model.norm",
)
QWEN3_5 = Published("qwen3_5", qwen.TOKENS, {}, files, plus_one=PLUS_ONE)
WIDTHS = {"hidden": 4096, "intermediate": 12288, "heads": 16, "head": 256, "vocabulary": 248320}
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304}
register(Release("qwen3.5-9b", QWEN3_5, Sizes(**WIDTHS, **TOWER, layers=4), spare=248320 - 248044))
