"""LLaVA-1.6 in the format of transformers.

Found: ``config.json`` of the release with Mistral, ``preprocessor_config.json``, ``processor_config.json``, the
tokenizer's tokens and the names of tensors. That the release with Vicuna says the same of Vicuna as LLaVA-1.5 does is
by default of the conversion script. Not known: what else stands in ``generation_config.json``.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import llava
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes

NAMES = {**llava.NAMES, "model.image_newline": "image_newline"}
VICUNA: dict[str, Any] = {
    "_name_or_path": "lmsys/vicuna-7b-v1.5",
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 4096,
    "model_type": "llama",
    "pad_token_id": 0,
    "torch_dtype": "float16",
}
MISTRAL: dict[str, Any] = {
    "_name_or_path": "mistralai/Mistral-7B-Instruct-v0.2",
    "architectures": ["MistralForCausalLM"],
    "max_position_embeddings": 32768,
    "model_type": "mistral",
    "rope_theta": 1000000.0,
    "sliding_window": None,
    "torch_dtype": "bfloat16",
}
PICTURES = "{%- for part in message.content | selectattr('type', 'equalto', 'image') %}{{- '<image>\\n' }}{%- endfor %}"
TEXTS = "{%- for part in message.content | selectattr('type', 'equalto', 'text') %}{{- part.text }}{%- endfor %}"
INSTRUCTION = (
    "{%- for message in messages %}"
    "{%- if message.role == 'system' %}{{- '<<SYS>>\\n' + message.content[0].text + '\\n<</SYS>>\\n\\n' }}"
    "{%- elif message.role == 'user' %}{{- '[INST] ' }}" + PICTURES + TEXTS + "{{- ' [/INST]' }}"
    "{%- elif message.role == 'assistant' %}{{- ' ' + message.content[0].text + '</s> ' }}"
    "{%- else %}{{- raise_exception('Only user and assistant roles are supported!') }}"
    "{%- endif %}"
    "{%- endfor %}"
)
"""Mistral's: a turn ends with its own mark, so nothing is added for an answer."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: those of LLaVA-1.5, with resolutions."""
    shared, side, resolutions = llava.files(made), made.sizes.image, _resolutions(made.sizes.image)
    preprocessor = shared["preprocessor_config.json"] | {
        "aspect_ratio_setting": "anyres",
        "do_pad": True,
        "image_grid_pinpoints": resolutions,
        "image_processor_type": "LlavaNextImageProcessor",
        "processor_class": "LlavaNextProcessor",
        "size": {"shortest_edge": side},
    }
    return shared | {
        "config.json": _config(made, resolutions),
        "preprocessor_config.json": preprocessor,
        "processor_config.json": shared["processor_config.json"] | {"processor_class": "LlavaNextProcessor"},
        "tokenizer_config.json": shared["tokenizer_config.json"] | {"processor_class": "LlavaNextProcessor"},
        "chat_template.json": {"chat_template": made.release.facts["template"]},
    }


def _config(made: Made, resolutions: list[list[int]]) -> dict[str, Any]:
    sizes, ids, facts = made.sizes, made.ids, made.release.facts
    return {
        "architectures": ["LlavaNextForConditionalGeneration"],
        "ignore_index": -100,
        "image_grid_pinpoints": resolutions,
        "image_token_index": ids["<image>"],
        "model_type": "llava_next",
        "projector_hidden_act": "gelu",
        "text_config": {
            **facts["text"],
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-05,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": made.tied,
        "torch_dtype": made.dtype,
        "transformers_version": "4.39.0.dev0",
        "use_image_newline_parameter": True,
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "clip_vision_model",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
            "projection_dim": 768,
            "vocab_size": 32000,
        },
        "vision_feature_layer": -2,
        "vision_feature_select_strategy": "default",
        "vocab_size": sizes.vocabulary,
    }


def _resolutions(side: int) -> list[list[int]]:
    """Height and width in tiles: two side by side, two above each other, four, three in a column, three in a row."""
    return [[high * side, wide * side] for high, wide in ((1, 2), (2, 1), (2, 2), (3, 1), (1, 3))]


LLAVA_NEXT = Published("llava_next", llava.TOKENS, NAMES, files)
TOWER = {"vocabulary": 32064, "vision_hidden": 1024, "vision_intermediate": 4096, "vision_layers": 3}
register(
    Release(
        "llava-v1.6-vicuna-7b",
        LLAVA_NEXT,
        Sizes(hidden=4096, intermediate=11008, heads=32, kv_heads=32, **TOWER),
        spare=64,
        dtype="float16",
        facts={"text": VICUNA, "template": llava.TEMPLATE},
    ),
    Release(
        "llava-v1.6-mistral-7b",
        LLAVA_NEXT,
        Sizes(hidden=4096, intermediate=14336, heads=32, kv_heads=8, **TOWER),
        spare=64,
        dtype="float16",
        facts={"text": MISTRAL, "template": INSTRUCTION},
    ),
)
