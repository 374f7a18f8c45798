"""Gemma 3, the instructed 4B.

Found: the configuration, which leaves out what the configuration's class has as a default; the names of tensors, the
template and the tower, from the script that converted it. As remembered, and not looked up: the image processor's keys
without a value, the decoding settings (sampling, two end tokens, a kind of cache), the first tokens of the vocabulary.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens

TOKENS = Tokens(
    first=(
        *("<pad>", "<eos>", "<bos>", "<unk>", "<mask>", "[multimodal]", *(f"<unused{i}>" for i in range(6243, 6342))),
        *("<start_of_turn>", "<end_of_turn>"),
    ),
    special=("<start_of_image>", "<end_of_image>"),
    filling=tuple(f"<unused{i}>" for i in range(1, 6144)),
    last=("<image_soft_token>",),
    before=("<bos>",),
    prefix=False,
)
NAMES = {
    "model.language_model.": "language_model.model.",
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}
TEMPLATE = (
    "{{ bos_token }}"
    "{%- if messages[0].role == 'system' -%}{%- set turns = messages[1:] -%}"
    "{%- if messages[0].content is string -%}{%- set first = messages[0].content + '\\n\\n' -%}"
    "{%- else -%}{%- set first = messages[0].content[0].text + '\\n\\n' -%}{%- endif -%}"
    "{%- else -%}{%- set first = '' -%}{%- set turns = messages -%}{%- endif -%}"
    "{%- for message in turns -%}"
    "{%- if (message.role == 'user') != (loop.index0 % 2 == 0) -%}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{%- endif -%}"
    "{%- set role = 'model' if message.role == 'assistant' else message.role -%}"
    "{{ '<start_of_turn>' + role + '\\n' + (first if loop.first else '') }}"
    "{%- if message.content is string -%}{{ message.content | trim }}{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}{{ '<start_of_image>' }}{%- elif part.type == 'text' -%}{{ part.text | trim }}"
    "{%- endif -%}{%- endfor -%}{%- endif -%}{{ '<end_of_turn>\\n' }}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<start_of_turn>model\\n' }}{%- endif -%}"
)
"""A system prompt becomes the beginning of the first turn, and texts lose the space around them."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: old keys for ids, decoding that samples and asks for a kind of cache."""
    side, ends = made.sizes.image, [1, made.ids["<end_of_turn>"]]
    positions = (side // 56) ** 2
    empty = dict.fromkeys(("max_num_crops", "min_crop_size", "min_ratio_to_activate"))
    return {
        "config.json": _config(made, positions, ends),
        "generation_config.json": {
            "bos_token_id": 2,
            "cache_implementation": "hybrid",
            "do_sample": True,
            "eos_token_id": ends,
            "pad_token_id": 0,
            "top_k": 64,
            "top_p": 0.95,
            "transformers_version": "4.50.0.dev0",
        },
        "preprocessor_config.json": {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_pan_and_scan": None,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "Gemma3ImageProcessor",
            "image_seq_length": positions,
            "image_std": [0.5, 0.5, 0.5],
            **{f"pan_and_scan_{key}": value for key, value in empty.items()},
            "processor_class": "Gemma3Processor",
            "resample": 2,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
        },
        "processor_config.json": {"image_seq_length": positions, "processor_class": "Gemma3Processor"},
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            boi_token="<start_of_image>",
            bos_token="<bos>",
            chat_template=TEMPLATE,
            clean_up_tokenization_spaces=False,
            eoi_token="<end_of_image>",
            eos_token="<eos>",
            image_token="<image_soft_token>",
            model_max_length=1000000000000000019884624838656,
            pad_token="<pad>",
            processor_class="Gemma3Processor",
            sp_model_kwargs=None,
            spaces_between_special_tokens=False,
            tokenizer_class="GemmaTokenizer",
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _config(made: Made, positions: int, ends: list[int]) -> dict[str, Any]:
    sizes, released = made.sizes, made.release.sizes
    defaults = {"num_attention_heads": "heads", "num_key_value_heads": "kv_heads", "vocab_size": "vocabulary"}
    changed = {k: getattr(sizes, s) for k, s in defaults.items() if getattr(sizes, s) != getattr(released, s)}
    if sizes.head_width != released.head_width:
        changed |= {"head_dim": sizes.head_width, "query_pre_attn_scalar": sizes.head_width}
    return {
        "architectures": ["Gemma3ForConditionalGeneration"],
        "boi_token_index": made.ids["<start_of_image>"],
        "eoi_token_index": made.ids["<end_of_image>"],
        "eos_token_id": ends,
        "image_token_index": made.ids["<image_soft_token>"],
        "initializer_range": 0.02,
        "mm_tokens_per_image": positions,
        "model_type": "gemma3",
        "text_config": {
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "model_type": "gemma3_text",
            "num_hidden_layers": sizes.layers,
            "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
            **changed,
        },
        "torch_dtype": made.dtype,
        "transformers_version": "4.50.0.dev0",
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
    }


GEMMA3 = Published("gemma3", TOKENS, NAMES, files, plus_one=("model.language_model.", "model.multi_modal_projector."))
WIDTHS = {"hidden": 2560, "intermediate": 10240, "heads": 8, "kv_heads": 4, "head": 256, "vocabulary": 262208}
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "image": 896}
register(Release("gemma-3-4b", GEMMA3, Sizes(layers=6, **WIDTHS, **TOWER), spare=262208 - 255999, tied=True))
