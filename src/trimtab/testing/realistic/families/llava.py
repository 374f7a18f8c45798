"""LLaVA-1.5.

By transformers' own conversion: how tensors are renamed. Of all else it was not kept where it was found, and it was
not looked up again. The template's words are written anew.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.qwen import CLIP_MEAN, CLIP_STD
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens

TOKENS = Tokens(first=("<unk>", "<s>", "</s>"), special=("<image>", "<pad>"), before=("<s>",))
NAMES = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.vision_tower.": "vision_tower.vision_model.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}

TEMPLATE = (
    "{%- for message in messages %}"
    "{%- if message.role != 'system' %}{{- message.role | upper + ': ' }}{%- endif %}"
    "{%- for part in message.content | selectattr('type', 'equalto', 'image') %}{{- '<image>\\n' }}{%- endfor %}"
    "{%- for part in message.content | selectattr('type', 'equalto', 'text') %}"
    "{%- if message.role == 'assistant' %}{% generation %}{{- part.text + ' ' }}{% endgeneration %}"
    "{%- else %}{{- part.text + ' ' }}{%- endif %}"
    "{%- endfor %}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}{{- 'ASSISTANT:' }}{%- endif %}"
)
"""Pictures before all texts, and a tag that transformers adds to Jinja."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: a text model that is named by what differs from Llama's defaults."""
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": made.ids["<pad>"],
            "transformers_version": "4.36.0.dev0",
        },
        "preprocessor_config.json": _pictures(made.sizes.image),
        "processor_config.json": {
            "image_token": "<image>",
            "num_additional_image_tokens": 1,
            "patch_size": 14,
            "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default",
        },
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            add_prefix_space=None,
            bos_token="<s>",
            clean_up_tokenization_spaces=False,
            eos_token="</s>",
            extra_special_tokens={"image_token": "<image>"},
            image_token="<image>",
            legacy=False,
            model_max_length=1000000000000000019884624838656,
            pad_token="<pad>",
            padding_side="left",
            processor_class="LlavaProcessor",
            sp_model_kwargs={},
            tokenizer_class="LlamaTokenizer",
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    published = Sizes(hidden=4096, intermediate=11008, heads=32, kv_heads=32, layers=32)
    keys = {
        "hidden": "hidden_size",
        "intermediate": "intermediate_size",
        "heads": "num_attention_heads",
        "kv_heads": "num_key_value_heads",
        "layers": "num_hidden_layers",
    }
    # The published file names no size that is Llama's default, so these are named only where they differ.
    given = {key: getattr(sizes, s) for s, key in keys.items() if getattr(sizes, s) != getattr(published, s)}
    return {
        "architectures": ["LlavaForConditionalGeneration"],
        "ignore_index": -100,
        "image_seq_length": (sizes.image // 14) ** 2,
        "image_token_index": ids["<image>"],
        "model_type": "llava",
        "pad_token_id": ids["<pad>"],
        "projector_hidden_act": "gelu",
        "text_config": {
            "_name_or_path": "lmsys/vicuna-7b-v1.5",
            "architectures": ["LlamaForCausalLM"],
            "max_position_embeddings": 4096,
            "model_type": "llama",
            "rms_norm_eps": 1e-05,
            "torch_dtype": made.dtype,
            "vocab_size": sizes.vocabulary,
            **given,
        },
        "tie_word_embeddings": made.tied,
        "torch_dtype": made.dtype,
        "transformers_version": "4.36.0.dev0",
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


def _pictures(side: int) -> dict[str, Any]:
    return {
        "crop_size": {"height": side, "width": side},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": CLIP_MEAN,
        "image_processor_type": "CLIPImageProcessor",
        "image_std": CLIP_STD,
        "processor_class": "LlavaProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": side},
    }


LLAVA = Published("llava", TOKENS, NAMES, files)
register(
    Release(
        "llava-1.5-7b",
        LLAVA,
        Sizes(
            hidden=4096,
            intermediate=11008,
            heads=32,
            kv_heads=32,
            vocabulary=32064,
            vision_hidden=1024,
            vision_intermediate=4096,
            vision_layers=3,
        ),
        spare=64,
        dtype="float16",
    )
)
