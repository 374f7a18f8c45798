"""Tiny models of Qwen's families."""

from __future__ import annotations

from typing import Any

import torch

from trimtab.models import FAMILIES, as_processor
from trimtab.testing.tiny.parts import MakesConfig, MakesModel, Parts, builder, small_tokenizer, text_config

QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
QWEN_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_TOWER = {"depth": 2, "num_heads": 2, "initializer_range": 0.12}
QWEN_ROPE = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}
QWEN3_TOWER = {
    **QWEN_TOWER,
    "hidden_size": 32,
    "intermediate_size": 64,
    "out_hidden_size": 64,
    "patch_size": 14,
    "num_position_embeddings": 16,
}


@builder
def qwen2_vl(layers: int) -> Parts:
    """A Qwen2-VL."""
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tower = {**QWEN_TOWER, "embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}
    return _qwen(Qwen2VLConfig, Qwen2VLForConditionalGeneration, layers, tower)


@builder
def qwen2_5_vl(layers: int) -> Parts:
    """A Qwen2.5-VL."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tower = {**QWEN_TOWER, "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64}
    tower |= {"window_size": 56, "fullatt_block_indexes": [1]}
    return _qwen(Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, layers, tower)


@builder
def qwen3_vl(layers: int) -> Parts:
    """A Qwen3-VL."""
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tower = {**QWEN3_TOWER, "deepstack_visual_indexes": [0, 1]}
    return _qwen(Qwen3VLConfig, Qwen3VLForConditionalGeneration, layers, tower, head_dim=16)


@builder
def qwen3_vl_moe(layers: int) -> Parts:
    """A Qwen3-VL of four experts, two for each token; its second layer has none."""
    from transformers import Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration

    tower = {**QWEN3_TOWER, "deepstack_visual_indexes": [0, 1]}
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "mlp_only_layers": [1]}
    return _qwen(Qwen3VLMoeConfig, Qwen3VLMoeForConditionalGeneration, layers, tower, head_dim=16, **experts)


@builder
def qwen3_5(layers: int) -> Parts:
    """A Qwen3.5: every other layer carries a state."""
    from transformers import Qwen3_5Config, Qwen3_5ForConditionalGeneration

    return _with_states(Qwen3_5Config, Qwen3_5ForConditionalGeneration, layers)


@builder
def qwen3_5_moe(layers: int) -> Parts:
    """A Qwen3.5 of four experts, two for each token."""
    from transformers import Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration

    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32}
    experts |= {"shared_expert_intermediate_size": 32}
    return _with_states(Qwen3_5MoeConfig, Qwen3_5MoeForConditionalGeneration, layers, **experts)


def _with_states(
    config_class: MakesConfig,
    model_class: MakesModel,
    layers: int,
    **changes: object,
) -> Parts:
    """Make a model whose states last for many tokens, and whose norms are not those of weight 0."""
    states: dict[str, Any] = {"linear_num_key_heads": 2, "linear_num_value_heads": 4}
    states |= {"linear_key_head_dim": 16, "linear_value_head_dim": 16}
    states |= {"rope_parameters": {**QWEN_ROPE, "partial_rotary_factor": 0.5, "mrope_section": [2, 1, 1]}}
    kinds = ["linear_attention", "full_attention"] * (layers // 2) + ["linear_attention"] * (layers % 2)
    parts = _qwen(config_class, model_class, layers, QWEN3_TOWER, head_dim=16, layer_types=kinds, **states, **changes)
    for name, weight in parts[0].named_parameters():
        if name.endswith("norm.weight") and "visual" not in name:
            torch.nn.init.normal_(weight, 1.0 if "linear_attn" in name else 0.0, 0.3)
        if name.endswith("A_log"):
            torch.nn.init.uniform_(weight, -5, -2)
    return parts


def _qwen(
    config_class: MakesConfig,
    model_class: MakesModel,
    layers: int,
    tower: dict[str, Any],
    **changes: object,
) -> Parts:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = small_tokenizer(QWEN_SPECIAL, eos="<|im_end|>", pad="<|endoftext|>")
    ids = {t: tokenizer.convert_tokens_to_ids(t) for t in QWEN_SPECIAL}
    config = config_class(
        text_config=text_config(
            tokenizer,
            layers,
            **{"rope_parameters": QWEN_ROPE, **changes},
        ),
        vision_config=tower,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    pictures = as_processor(Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 112 * 112}))
    most = {"size": {"shortest_edge": 28 * 28, "longest_edge": 8 * 112 * 112}}
    clips = FAMILIES[config.model_type].clip_processor(pictures, most)
    return model_class(config), tokenizer, {"image": pictures, "video": clips}, QWEN_TEMPLATE
