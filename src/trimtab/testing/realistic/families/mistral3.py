"""Mistral-Small-3.1-24B, as published in March 2025.

Found: the configuration, the names of tensors, the ids of the tokens for pictures, the beginning of the system prompt,
which has the date in it. As remembered, and not looked up: the image processor's settings, the other tokens, where the
tokenizer cuts words, the tokenizer's class. The template is shortened: it keeps the system prompt's frame and date,
not its paragraphs. Made up: names of tokens that are reserved.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.internvl import NAMES
from trimtab.testing.realistic.families.qwen import CLIP_MEAN, CLIP_STD
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens

UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
BEFORE = r"[^\r\n\p{L}\p{N}]?"
WORDS = (
    rf"{BEFORE}{UPPER}*{LOWER}+|{BEFORE}{UPPER}+{LOWER}*|\p{{N}}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
NAMED = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)
TOKENS = Tokens(WORDS, first=(*NAMED, *(f"<SPECIAL_{i}>" for i in range(len(NAMED), 1000))), before=("<s>",))
TEMPLATE = (
    "{%- set today = strftime_now('%Y-%m-%d') %}"
    "{%- set given = 'You are Mistral Small 3.1, a Large Language Model (LLM) created by Mistral AI.\\n"
    "The current date is ' + today + '.\\n\\nYou follow these instructions in all languages.' %}"
    "{{- bos_token }}"
    "{%- if messages[0].role == 'system' %}{%- set turns = messages[1:] %}"
    "{%- if messages[0].content is string %}{%- set given = messages[0].content %}"
    "{%- else %}{%- set given = messages[0].content[0].text %}{%- endif %}"
    "{%- else %}{%- set turns = messages %}{%- endif %}"
    "{{- '[SYSTEM_PROMPT]' + given + '[/SYSTEM_PROMPT]' }}"
    "{%- for message in turns %}{%- if message.role == 'user' %}{{- '[INST]' }}"
    "{%- if message.content is string %}{{- message.content }}{%- else %}{%- for part in message.content %}"
    "{%- if part.type == 'text' %}{{- part.text }}{%- elif part.type in ['image', 'image_url'] %}{{- '[IMG]' }}"
    "{%- else %}{{- raise_exception('Only text and image blocks are supported in message content!') }}{%- endif %}"
    "{%- endfor %}{%- endif %}{{- '[/INST]' }}"
    "{%- elif message.role == 'assistant' %}"
    "{%- if message.content is string %}{{- message.content + eos_token }}"
    "{%- else %}{{- message.content[0].text + eos_token }}{%- endif %}"
    "{%- else %}{{- raise_exception('Only user, system and assistant roles are supported!') }}{%- endif %}"
    "{%- endfor %}"
)


def files(made: Made) -> dict[str, Any]:
    """Return the small files: an image token by its old key, a tokenizer by the class of Llama's."""
    version = {"transformers_version": "4.50.0.dev0"}
    return {
        "config.json": {**_config(made), **version},
        "generation_config.json": {"_from_model_config": True, "bos_token_id": 1, "eos_token_id": 2, **version},
        "preprocessor_config.json": {
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": CLIP_MEAN,
            "image_processor_type": "PixtralImageProcessor",
            "image_std": CLIP_STD,
            "patch_size": 14,
            "processor_class": "PixtralProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"longest_edge": made.sizes.image},
        },
        "processor_config.json": {
            "image_break_token": "[IMG_BREAK]",
            "image_end_token": "[IMG_END]",
            "image_token": "[IMG]",
            "patch_size": 14,
            "processor_class": "PixtralProcessor",
            "spatial_merge_size": 2,
        },
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            additional_special_tokens=list(TOKENS.first),
            bos_token="<s>",
            clean_up_tokenization_spaces=False,
            eos_token="</s>",
            extra_special_tokens={},
            legacy=True,
            model_max_length=1000000000000000019884624838656,
            pad_token="<pad>",
            processor_class="PixtralProcessor",
            tokenizer_class="LlamaTokenizer",
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    return {
        "architectures": ["Mistral3ForConditionalGeneration"],
        "image_token_index": made.ids["[IMG]"],
        "model_type": "mistral3",
        "multimodal_projector_bias": False,
        "projector_hidden_act": "gelu",
        "spatial_merge_size": 2,
        "text_config": {
            "attention_dropout": 0.0,
            "head_dim": sizes.head_width,
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 131072,
            "model_type": "mistral",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-05,
            "rope_theta": 1000000000.0,
            "sliding_window": None,
            "use_cache": True,
            "vocab_size": sizes.vocabulary,
        },
        "torch_dtype": made.dtype,
        "vision_config": {
            "attention_dropout": 0.0,
            "head_dim": sizes.vision_hidden // sizes.vision_heads,
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "initializer_range": 0.02,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "pixtral",
            "num_attention_heads": sizes.vision_heads,
            "num_channels": 3,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
            "rope_theta": 10000.0,
        },
        "vision_feature_layer": -1,
    }


WIDTHS = {"hidden": 5120, "intermediate": 32768, "heads": 32, "kv_heads": 8, "head": 128, "vocabulary": 131072}
TOWER = {"vision_hidden": 1024, "vision_intermediate": 4096, "image": 1540}
register(
    Release("mistral-small-3.1-24b", Published("mistral3", TOKENS, NAMES, files), Sizes(**WIDTHS, **TOWER), spare=0)
)
