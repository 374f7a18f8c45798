"""What the folders of Qwen's vision-language releases have in common."""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.published import Made
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|object_ref_start|>", "<|object_ref_end|>"),
    *("<|box_start|>", "<|box_end|>", "<|quad_start|>", "<|quad_end|>"),
    *("<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>", "<|video_pad|>"),
)
MARKS = (
    *("<tool_call>", "</tool_call>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>", "<|fim_pad|>"),
    *("<|repo_name|>", "<|file_sep|>"),
)
THOUGHTS = ("<tool_response>", "</tool_response>", "<think>", "</think>")
"""Qwen3's marks behind those."""
PIECES = 151643
"""Plain pieces of the tokenizer; the rows behind them are special tokens, and rows that only fill the table up."""
OLD_TOKENS = Tokens(QWEN_WORDS, special=SPECIAL, lists=True)
"""Qwen2's."""
TOKENS = Tokens(QWEN_WORDS, special=SPECIAL, marks=MARKS, lists=True)
QWEN3_TOKENS = Tokens(QWEN_WORDS, special=SPECIAL, marks=(*MARKS, *THOUGHTS), lists=True)

NAMES = {"model.language_model.": "model.", "model.visual.": "visual."}
"""The names of Qwen2-VL and Qwen2.5-VL."""

SYSTEM = (
    "{%- if loop.first and message.role != 'system' %}"
    "{{- '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{%- endif %}"
)
TURNS = (
    "{{- '<|im_start|>' + message.role + '\\n' }}"
    "{%- if message.content is string %}{{- message.content }}"
    "{%- else %}"
    "{%- for part in message.content %}"
    "{%- if part.type == 'image' or 'image' in part or 'image_url' in part %}"
    "{{- '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{%- elif part.type == 'video' or 'video' in part %}"
    "{{- '<|vision_start|><|video_pad|><|vision_end|>' }}"
    "{%- elif 'text' in part %}{{- part.text }}"
    "{%- endif %}"
    "{%- endfor %}"
    "{%- endif %}"
    "{{- '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
TEMPLATE = "{%- for message in messages %}" + SYSTEM + TURNS
"""A system prompt where none is given; parts in their order."""
QWEN3_TEMPLATE = "{%- for message in messages %}" + TURNS
"""No system prompt where none is given."""


def ends(made: Made) -> dict[str, Any]:
    """Return the ids of tokens that begin and end, which ``config.json`` and ``generation_config.json`` name."""
    ids = made.ids
    return {"bos_token_id": ids["<|endoftext|>"], "eos_token_id": ids["<|im_end|>"]}


def tokenizer_config(made: Made, template: str, **own: object) -> dict[str, Any]:
    """Return ``tokenizer_config.json``."""
    told: dict[str, Any] = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "additional_special_tokens": list(SPECIAL[1:]),
        "bos_token": None,
        "chat_template": template,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    return made.tokenizer_config(**{**told, **own})


def decoding(made: Made, version: str, **own: object) -> dict[str, Any]:
    """Return ``generation_config.json``: settings that make ``generate`` sample."""
    ids = made.ids
    return {
        "bos_token_id": ids["<|endoftext|>"],
        "do_sample": True,
        "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
        "pad_token_id": ids["<|endoftext|>"],
        **own,
        "transformers_version": version,
    }
