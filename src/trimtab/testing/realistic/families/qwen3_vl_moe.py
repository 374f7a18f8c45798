"""Qwen3-VL with experts, the 30B of which 3B act on a token.

Found: the configuration; that its experts are stored input first, in transformers' own table of conversions, which
turns them while loading; that its processor is Qwen3-VL's. The rest is as in the file of Qwen3-VL.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen, qwen3_vl
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes

PARTS = 8
"""An expert's MLP is narrower than the configuration's ``intermediate_size``, which no layer has, by this factor."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: a configuration in which every layer has 128 experts, 8 of them for a token."""
    held = qwen3_vl.files(made)
    config = held["config.json"]
    config |= {"architectures": ["Qwen3VLMoeForConditionalGeneration"], "model_type": "qwen3_vl_moe"}
    config["text_config"] |= {
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "model_type": "qwen3_vl_moe_text",
        "moe_intermediate_size": made.sizes.intermediate // PARTS,
        "norm_topk_prob": True,
        "num_experts": 128,
        "num_experts_per_tok": 8,
    }
    config["vision_config"]["model_type"] = "qwen3_vl_moe"
    return held


QWEN3_VL_MOE = Published(
    "qwen3_vl_moe",
    qwen.QWEN3_TOKENS,
    {},
    files,
    values={"post_attention_layernorm.weight": 0.3},  # experts add little: which ones are taken may be rounding's
    transposed=("mlp.experts.gate_up_proj", "mlp.experts.down_proj"),
)
WIDTHS = {"hidden": 2048, "intermediate": 6144, "heads": 32, "kv_heads": 4, "vocabulary": 151936}
register(
    Release(
        "qwen3-vl-30b-a3b",
        QWEN3_VL_MOE,
        Sizes(**qwen3_vl.LARGE_TOWER, **WIDTHS),
        spare=151936 - qwen.PIECES,
    )
)
