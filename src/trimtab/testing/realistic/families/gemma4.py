"""Gemma 4, instructed: the E2B, which also hears, and the 26B with experts.

Found: the configurations, names of tensors, marks and decoding settings, in the script that converted them and in
public copies; ids of the marks; the image processor, which is described in ``processor_config.json`` alone; what the
template writes for turns and pictures. As remembered, and not looked up: the first tokens between the known ones. Made
up: the template's words, which leave out thoughts and tools; the bounds of clipped maps. Fewer layers than released
keep one whole period of windows and layers that share keys, if there were some.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens

KNOWN = {
    **{0: "<pad>", 1: "<eos>", 2: "<bos>", 3: "<unk>", 4: "<mask>", 5: "[multimodal]"},
    **{46: "<|tool>", 47: "<tool|>", 48: "<|tool_call>", 49: "<tool_call|>", 50: "<|tool_response>"},
    **{51: "<tool_response|>", 52: '<|"|>', 98: "<|think|>", 100: "<|channel>", 101: "<channel|>"},
    **{105: "<|turn>", 106: "<turn|>"},
}
SEEN = ("<|image|>", "<|audio|>", "<image|>", "<audio|>", "<|video|>")
BEGINS = ("<|image>", "<|audio>")
TOKENS = Tokens(
    first=tuple(KNOWN.get(i, f"<unused{i}>") for i in range(107)),
    special=BEGINS,
    filling=tuple(f"<unused{i}>" for i in range(256001, 258880)),
    last=SEEN,
    before=("<bos>",),
    prefix=False,
)
MARKS = {
    **{"image_token": "<|image|>", "boi_token": "<|image>", "eoi_token": "<image|>"},
    **{"audio_token": "<|audio|>", "boa_token": "<|audio>", "eoa_token": "<audio|>"},
    **{"sot_token": "<|turn>", "eot_token": "<turn|>", "soc_token": "<|channel>", "eoc_token": "<channel|>"},
    **{"think_token": "<|think|>", "escape_token": '<|"|>', "std_token": "<|tool>", "etd_token": "<tool|>"},
    **{"stc_token": "<|tool_call>", "etc_token": "<tool_call|>"},
    **{"str_token": "<|tool_response>", "etr_token": "<tool_response|>"},
}
TEMPLATE = (
    "{{- bos_token -}}{%- for message in messages -%}"
    "{{- '<|turn>' + ('model' if message.role == 'assistant' else message.role) + '\\n' -}}"
    "{%- if message.content is string -%}{{- message.content | trim -}}{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'text' -%}{{- part.text | trim -}}"
    "{%- elif part.type in ('image', 'audio', 'video') -%}{{- '<|' + part.type + '|>' -}}{%- endif -%}{%- endfor -%}"
    "{%- endif -%}{{- '<turn|>\\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|turn>model\\n' -}}{%- endif -%}"
)
"""Texts lose the space around them."""
PICTURES = {
    "do_convert_rgb": True,
    "do_normalize": False,
    "do_rescale": True,
    "do_resize": True,
    "image_mean": [0.0, 0.0, 0.0],
    "image_processor_type": "Gemma4ImageProcessor",
    "image_seq_length": 280,
    "image_std": [1.0, 1.0, 1.0],
    "max_soft_tokens": 280,
    "patch_size": 16,
    "pooling_kernel_size": 3,
    "resample": 3,
    "rescale_factor": 1 / 255,
}


def files(made: Made) -> dict[str, Any]:
    """Return the small files: processors in one file of sections, three end tokens, marks by name."""
    ids = made.ids
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "bos_token_id": 2,
            "do_sample": True,
            "eos_token_id": [ids["<eos>"], ids["<turn|>"], ids["<|tool_response>"]],
            "pad_token_id": 0,
            "temperature": 1.0,
            "top_k": 64,
            "top_p": 0.95,
            "transformers_version": "5.5.0.dev0",
        },
        "processor_config.json": {
            "audio_ms_per_token": 40,
            "audio_seq_length": 750,
            "image_processor": PICTURES,
            "image_seq_length": 280,
            "processor_class": "Gemma4Processor",
        },
        "tokenizer_config.json": made.tokenizer_config(
            backend="tokenizers",
            bos_token="<bos>",
            eos_token="<eos>",
            extra_special_tokens=MARKS,
            mask_token="<mask>",
            model_max_length=1000000000000000019884624838656,
            pad_token="<pad>",
            padding_side="left",
            processor_class="Gemma4Processor",
            tokenizer_class="GemmaTokenizer",
            unk_token="<unk>",
            **MARKS,
        ),
        "chat_template.jinja": TEMPLATE,
    }


def _config(made: Made) -> dict[str, Any]:
    ids, facts = made.ids, made.release.facts
    return {
        "architectures": ["Gemma4ForConditionalGeneration"],
        "audio_config": _hearing(made) if facts["hears"] else None,
        "audio_token_id": ids["<|audio|>"],
        "boa_token_id": ids["<|audio>"],
        "boi_token_id": ids["<|image>"],
        "dtype": made.dtype,
        "eoa_token_id": ids["<audio|>"],
        "eoi_token_id": ids["<image|>"],
        "eos_token_id": [ids["<eos>"], ids["<turn|>"]],
        "image_token_id": ids["<|image|>"],
        "model_type": "gemma4",
        "text_config": _decoder(made),
        "tie_word_embeddings": True,
        "transformers_version": "5.5.0.dev0",
        "video_token_id": ids["<|video|>"],
        "vision_config": _tower(made),
        "vision_soft_tokens_per_image": 280,
    }


def _decoder(made: Made) -> dict[str, Any]:
    sizes, period = made.sizes, made.release.facts["period"]
    full = [(layer + 1) % period == 0 or layer == sizes.layers - 1 for layer in range(sizes.layers)]
    return {
        "attention_bias": False,
        "dtype": made.dtype,
        "final_logit_softcapping": 30.0,
        "global_head_dim": 2 * sizes.head_width,
        "head_dim": sizes.head_width,
        "hidden_activation": "gelu_pytorch_tanh",
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.intermediate,
        "layer_types": ["full_attention" if whole else "sliding_attention" for whole in full],
        "model_type": "gemma4_text",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {
            "full_attention": {"partial_rotary_factor": 0.25, "rope_theta": 1000000.0, "rope_type": "proportional"},
            "sliding_attention": {"rope_theta": 10000.0, "rope_type": "default"},
        },
        "tie_word_embeddings": True,
        "vocab_size": sizes.vocabulary,
        "vocab_size_per_layer_input": sizes.vocabulary,
        **made.release.facts["text"](sizes),
    }


def _small(sizes: Sizes) -> dict[str, Any]:
    """What the E2B's decoder has: inputs of each layer, last layers that share keys and have wider MLPs."""
    return {
        "attention_k_eq_v": False,
        "enable_moe_block": False,
        "hidden_size_per_layer_input": 256,
        "max_position_embeddings": 131072,
        "num_global_key_value_heads": None,
        "num_kv_shared_layers": max(0, sizes.layers - 5),
        "sliding_window": 512,
        "use_bidirectional_attention": None,
        "use_double_wide_mlp": True,
    }


def _large(sizes: Sizes) -> dict[str, Any]:
    """What the 26B's decoder has: experts, keys that are values too, pictures that see themselves."""
    return {
        "attention_k_eq_v": True,
        "enable_moe_block": True,
        "hidden_size_per_layer_input": 0,
        "max_position_embeddings": 262144,
        "moe_intermediate_size": sizes.intermediate // 24 * 8,
        "num_experts": 128,
        "num_global_key_value_heads": max(1, sizes.kv_heads // 4),
        "num_kv_shared_layers": 0,
        "sliding_window": 1024,
        "top_k_experts": 8,
        "use_bidirectional_attention": "vision",
        "use_double_wide_mlp": False,
    }


def _tower(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    width = sizes.vision_hidden // sizes.vision_heads
    return {
        "default_output_length": 280,
        "dtype": made.dtype,
        "global_head_dim": width,
        "head_dim": width,
        "hidden_size": sizes.vision_hidden,
        "intermediate_size": sizes.vision_intermediate,
        "model_type": "gemma4_vision",
        "num_attention_heads": sizes.vision_heads,
        "num_hidden_layers": sizes.vision_layers,
        "num_key_value_heads": sizes.vision_heads,
        "patch_size": 16,
        "pooling_kernel_size": 3,
        "position_embedding_size": 10240,
        "rms_norm_eps": 1e-06,
        "rope_parameters": {"rope_theta": 100.0, "rope_type": "default"},
        "standardize": not made.release.facts["hears"],
        "use_clipped_linears": made.release.facts["hears"],
    }


def _hearing(made: Made) -> dict[str, Any]:
    return {
        "dtype": made.dtype,
        "hidden_size": min(1024, made.sizes.hidden),
        "model_type": "gemma4_audio",
        "num_attention_heads": 8,
        "num_hidden_layers": made.sizes.vision_layers,
        "output_proj_dims": 1536,
        "use_clipped_linears": True,
    }


BOUND = 10.0
GEMMA4 = Published(
    "gemma4",
    TOKENS,
    {},
    files,
    values={
        "q_norm.weight": 1 / 16,  # nothing else scales the scores of a head
        "router.scale": 64.0,  # a router multiplies by the width's root too: experts would be tied, and rounding choose
        "post_feedforward_layernorm_2.weight": 0.1,  # experts add little: rounding may still choose some
        **{"layer_scalar": 1.0, "per_expert_scale": 1.0, "std_bias": 0.0, "std_scale": 1.0},
        **{"input_min": -BOUND, "input_max": BOUND, "output_min": -BOUND, "output_max": BOUND},
    },
)
SMALL_TOWER = {"vision_hidden": 768, "vision_intermediate": 3072, "vision_heads": 12}
LARGE_TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "vision_heads": 16}
EDGE = {"hidden": 1536, "intermediate": 6144, "heads": 8, "kv_heads": 1}
EXPERTS = {"hidden": 2816, "intermediate": 2112, "heads": 16, "kv_heads": 8}
register(
    Release(
        "gemma-4-e2b",
        GEMMA4,
        Sizes(layers=7, **EDGE, head=256, vocabulary=262144, **SMALL_TOWER),
        spare=262144 - 255999,
        tied=True,
        facts={"hears": True, "period": 5, "text": _small},
    ),
    Release(
        "gemma-4-26b-a4b",
        GEMMA4,
        Sizes(layers=6, **EXPERTS, head=256, vocabulary=262144, **LARGE_TOWER),
        spare=262144 - 255999,
        tied=True,
        facts={"hears": False, "period": 6, "text": _large},
    ),
)
