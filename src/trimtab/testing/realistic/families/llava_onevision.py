"""LLaVA-OneVision in the format of transformers.

Found: the template's rules, the tower, the tokens and their ids, the projector's and the tower's names, the rows of the
table (the conversion script fills Qwen2's up to a multiple of 64). By default of transformers: resolutions, what is
said of pictures and clips. Not known: whether the files of the smallest release hold the unembedding, which is tied.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import llava_next, qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

TOKENS = Tokens(QWEN_WORDS, special=("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<image>", "<video>"), lists=True)
MOST = 6
"""Tiles in a row or a column."""
CLIPS = "{%- for part in message.content | selectattr('type', 'equalto', 'video') %}{{- '<video>\\n' }}{%- endfor %}"
TEMPLATE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    + llava_next.PICTURES
    + CLIPS
    + "{%- if message.role != 'assistant' %}"
    + llava_next.TEXTS
    + "{%- else %}"
    "{%- for part in message.content | selectattr('type', 'equalto', 'text') %}"
    "{% generation %}{{- part.text }}{% endgeneration %}"
    "{%- endfor %}"
    "{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
"""Pictures, then clips, then texts; no system prompt of its own."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files."""
    pictures = {
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "processor_class": "LlavaOnevisionProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": made.sizes.image, "width": made.sizes.image},
    }
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            **qwen.ends(made),
            "transformers_version": "4.45.0.dev0",
        },
        "preprocessor_config.json": {
            **pictures,
            "do_pad": True,
            "image_grid_pinpoints": _resolutions(made),
            "image_processor_type": "LlavaOnevisionImageProcessor",
        },
        "video_preprocessor_config.json": {**pictures, "video_processor_type": "LlavaOnevisionVideoProcessor"},
        "processor_config.json": {
            "image_token": "<image>",
            "num_image_tokens": (made.sizes.image // 14) ** 2,
            "processor_class": "LlavaOnevisionProcessor",
            "video_token": "<video>",
            "vision_aspect_ratio": "anyres_max_9",
            "vision_feature_select_strategy": "full",
        },
        "tokenizer_config.json": qwen.tokenizer_config(made, TEMPLATE) | {"additional_special_tokens": []},
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["LlavaOnevisionForConditionalGeneration"],
        "image_grid_pinpoints": _resolutions(made),
        "image_token_index": ids["<image>"],
        "model_type": "llava_onevision",
        "projector_hidden_act": "gelu",
        "text_config": {
            "_name_or_path": made.release.facts["text"],
            "architectures": ["Qwen2ForCausalLM"],
            **qwen.ends(made),
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "max_window_layers": sizes.layers,
            "model_type": "qwen2",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rope_theta": 1000000.0,
            "tie_word_embeddings": made.tied,
            "torch_dtype": "bfloat16",
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": False,
        "torch_dtype": made.dtype,
        "transformers_version": "4.45.0.dev0",
        "use_image_newline_parameter": True,
        "video_token_index": ids["<video>"],
        "vision_aspect_ratio": "anyres_max_9",
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "siglip_vision_model",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
            "vision_use_head": False,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
    }


def _resolutions(made: Made) -> list[list[int]]:
    """Every height and width of up to six tiles."""
    lengths = [made.sizes.image * tiles for tiles in range(1, MOST + 1)]
    return [[height, width] for height in lengths for width in lengths]


LLAVA_ONEVISION = Published("llava_onevision", TOKENS, llava_next.NAMES, files)
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "vision_heads": 16, "image": 384}
register(
    Release(
        "llava-onevision-qwen2-0.5b",
        LLAVA_ONEVISION,
        Sizes(hidden=896, intermediate=4864, heads=14, kv_heads=2, vocabulary=152000, **TOWER),
        spare=152000 - qwen.PIECES,
        dtype="float16",
        tied=True,
        facts={"text": "Qwen/Qwen2-0.5B-Instruct"},
    ),
    Release(
        "llava-onevision-qwen2-7b",
        LLAVA_ONEVISION,
        Sizes(vocabulary=152128, **TOWER),
        spare=152128 - qwen.PIECES,
        dtype="float16",
        facts={"text": "Qwen/Qwen2-7B-Instruct"},
    ),
)
