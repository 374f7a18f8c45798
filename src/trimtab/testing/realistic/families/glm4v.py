"""GLM-4.1V-9B-Thinking.

Found: ids of pictures and clips, sizes and the tower in transformers' own sources, the sizes of pictures and clips in
pixels, what the template begins with and writes for a picture. As remembered, and not looked up: the other tokens, the
four end tokens, the sections of positions. Made up: that the text's part is kept by itself, and not flat; that the
template's last word is ``<think>``; the decoding settings.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.qwen import CLIP_MEAN, CLIP_STD
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import LLAMA3_WORDS, Tokens

TOKENS = Tokens(
    LLAMA3_WORDS,
    special=(
        *("<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>"),
        *("<|system|>", "<|user|>", "<|assistant|>", "<|observation|>", "<|begin_of_image|>", "<|end_of_image|>"),
        *("<|begin_of_video|>", "<|end_of_video|>", "<|image|>", "<|video|>"),
    ),
    marks=("<think>", "</think>", "<answer>", "</answer>"),
)
TEMPLATE = (
    "[gMASK]<sop>{% for message in messages %}"
    "{{ '<|' + message.role + '|>\\n' }}"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' or 'image' in part %}{{ '<|begin_of_image|><|image|><|end_of_image|>' }}"
    "{% elif part.type == 'video' or 'video' in part %}{{ '<|begin_of_video|><|video|><|end_of_video|>' }}"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n<think>' }}{% endif %}"
)
"""A prefix that the tokenizer writes by no other way, and the beginning of a thought."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: four end tokens, sizes of pictures and clips in pixels of all frames."""
    ids = made.ids
    ends = [ids[token] for token in ("<|endoftext|>", "<|user|>", "<|observation|>", "</answer>")]
    shown = {
        "do_rescale": True,
        "image_mean": CLIP_MEAN,
        "image_std": CLIP_STD,
        "merge_size": 2,
        "patch_size": 14,
        "processor_class": "Glm4vProcessor",
        "temporal_patch_size": 2,
    }
    return {
        "config.json": _config(made, ends),
        "generation_config.json": {
            "_from_model_config": True,
            "do_sample": True,
            "eos_token_id": ends,
            "pad_token_id": ids["<|endoftext|>"],
            "temperature": 0.8,
            "top_k": 2,
            "top_p": 0.6,
            "transformers_version": "4.57.1",
        },
        "preprocessor_config.json": {
            **shown,
            "image_processor_type": "Glm4vImageProcessor",
            "size": {"longest_edge": 9633792, "shortest_edge": 12544},
        },
        "video_preprocessor_config.json": {
            **shown,
            "size": {"longest_edge": 47040000, "shortest_edge": 12544},
            "video_processor_type": "Glm4vVideoProcessor",
        },
        "tokenizer_config.json": made.tokenizer_config(
            additional_special_tokens=list(TOKENS.special),
            clean_up_tokenization_spaces=False,
            do_lower_case=False,
            eos_token="<|endoftext|>",
            extra_special_tokens={},
            model_input_names=["input_ids", "attention_mask"],
            model_max_length=65536,
            pad_token="<|endoftext|>",
            padding_side="left",
            processor_class="Glm4vProcessor",
            remove_space=False,
            tokenizer_class="PreTrainedTokenizerFast",
        ),
        "chat_template.jinja": TEMPLATE,
    }


def _config(made: Made, ends: list[int]) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    rotary = sizes.head_width // 4
    return {
        "architectures": ["Glm4vForConditionalGeneration"],
        "image_end_token_id": ids["<|end_of_image|>"],
        "image_start_token_id": ids["<|begin_of_image|>"],
        "image_token_id": ids["<|image|>"],
        "model_type": "glm4v",
        "text_config": {
            "attention_bias": True,
            "attention_dropout": 0.0,
            "dtype": made.dtype,
            "eos_token_id": ends,
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 65536,
            "model_type": "glm4v_text",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "pad_token_id": ids["<|endoftext|>"],
            "partial_rotary_factor": 0.5,
            "rms_norm_eps": 1e-05,
            "rope_scaling": {
                "mrope_section": [rotary // 4, 3 * rotary // 8, 3 * rotary // 8],
                "rope_type": "default",
            },
            "rope_theta": 10000.0,
            "use_cache": True,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": made.tied,
        "transformers_version": "4.57.1",
        "video_end_token_id": ids["<|end_of_video|>"],
        "video_start_token_id": ids["<|begin_of_video|>"],
        "video_token_id": ids["<|video|>"],
        "vision_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "depth": sizes.vision_layers,
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "in_channels": 3,
            "initializer_range": 0.02,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "glm4v",
            "num_heads": sizes.vision_heads,
            "out_hidden_size": sizes.hidden,
            "patch_size": 14,
            "rms_norm_eps": 1e-05,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
        },
    }


WIDTHS = {"hidden": 4096, "intermediate": 13696, "heads": 32, "kv_heads": 2, "vocabulary": 151552}
TOWER = {"vision_hidden": 1536, "vision_intermediate": 13696, "vision_heads": 12, "image": 336}
register(Release("glm-4.1v-9b", Published("glm4v", TOKENS, {}, files), Sizes(**WIDTHS, **TOWER), spare=151552 - 151329))
