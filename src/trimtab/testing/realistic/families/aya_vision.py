"""Aya Vision, the 8B.

Found: the ids of the tokens for pictures, that a tile is of 364 pixels and 169 positions, how tiles are written. By
default of transformers: pattern and width of windows, the names of the processor's tokens. As remembered, and not
looked up: the sizes of decoder and tower, the decoder's old keys. Made up: the type of the weights, the width of the
projector, most names of special tokens, the system prompt's words.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.gemma3 import NAMES
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import GPT2_WORDS, Tokens

TOKENS = Tokens(
    GPT2_WORDS,
    first=("<PAD>", "<UNK>", "<CLS>", "<SEP>", "<MASK_TOKEN>", "<BOS_TOKEN>", "<EOS_TOKEN>", "<EOP_TOKEN>"),
    special=(
        *("<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>", "<|YES_TOKEN|>", "<|NO_TOKEN|>", "<|GOOD_TOKEN|>"),
        *("<|BAD_TOKEN|>", "<|USER_TOKEN|>", "<|CHATBOT_TOKEN|>", "<|SYSTEM_TOKEN|>"),
        *(f"<|EXTRA_{i}_TOKEN|>" for i in range(24)),
        *("<|START_OF_IMG|>", "<|END_OF_IMG|>", "<|IMG_LINE_BREAK|>", "<|IMG_PATCH|>"),
    ),
    before=("<BOS_TOKEN>",),
)
TURN, ENDS = "<|START_OF_TURN_TOKEN|>", "<|END_OF_TURN_TOKEN|>"
ROLES = "{'user': '<|USER_TOKEN|>', 'assistant': '<|CHATBOT_TOKEN|>', 'system': '<|SYSTEM_TOKEN|>'}"


def template(said: str, picture: str) -> str:
    """Return Cohere's chat template, with what the model is told of itself and what is written for a picture."""
    return (
        "{{ bos_token }}{% if messages[0].role != 'system' %}" + TURN + "<|SYSTEM_TOKEN|>" + said + ENDS + "{% endif %}"
        "{% for message in messages %}" + TURN + "{{ " + ROLES + "[message.role] }}"
        "{% if message.content is string %}{{ message.content | trim }}{% else %}{% for part in message.content %}"
        "{% if part.type == 'text' %}{{ part.text | trim }}"
        "{% elif part.type == 'image' %}{{ '" + picture + "' }}{% endif %}"
        "{% endfor %}{% endif %}" + ENDS + "{% endfor %}"
        "{% if add_generation_prompt %}" + TURN + "<|CHATBOT_TOKEN|>{% endif %}"
    )


TEMPLATE = template("You are Aya, a multilingual assistant that sees and answers.", "<image>")


def files(made: Made) -> dict[str, Any]:
    """Return the small files: windows by their old pattern, keys of the decoder that nothing reads."""
    side, ends = made.sizes.image, made.ids[ENDS]
    half = [0.5, 0.5, 0.5]
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            "bos_token_id": 5,
            "cache_implementation": "hybrid",
            "eos_token_id": ends,
            "pad_token_id": 0,
            "transformers_version": "4.50.0.dev0",
        },
        "preprocessor_config.json": {
            "crop_to_patches": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": half,
            "image_processor_type": "GotOcr2ImageProcessor",
            "image_std": half,
            "max_patches": 12,
            "min_patches": 1,
            "processor_class": "AyaVisionProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
        },
        "processor_config.json": _processor(side),
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            add_prefix_space=False,
            bos_token="<BOS_TOKEN>",
            chat_template=TEMPLATE,
            clean_up_tokenization_spaces=False,
            eos_token=ENDS,
            legacy=True,
            model_max_length=1000000000000000019884624838656,
            pad_token="<PAD>",
            processor_class="AyaVisionProcessor",
            tokenizer_class="CohereTokenizer",
            unk_token=None,
            use_default_system_prompt=False,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _processor(side: int) -> dict[str, Any]:
    return {
        "downsample_factor": 1,  # its patches are already joined
        "end_of_img_token": "<|END_OF_IMG|>",
        "image_token": "<image>",
        "img_line_break_token": "<|IMG_LINE_BREAK|>",
        "img_patch_token": "<|IMG_PATCH|>",
        "img_size": side,
        "patch_size": 28,
        "processor_class": "AyaVisionProcessor",
        "start_of_img_token": "<|START_OF_IMG|>",
        "tile_global_token": "TILE_GLOBAL",
        "tile_token": "TILE",
        "vision_feature_select_strategy": "full",
    }


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    return {
        "adapter_layer_norm_eps": 1e-06,
        "alignment_intermediate_size": 2 * sizes.intermediate,
        "architectures": ["AyaVisionForConditionalGeneration"],
        "downsample_factor": 2,
        "image_token_index": made.ids["<|IMG_PATCH|>"],
        "model_type": "aya_vision",
        "text_config": {
            "architectures": ["Cohere2ForCausalLM"],
            "cache_implementation": "hybrid",
            "eos_token_id": made.ids[ENDS],
            "head_dim": sizes.head_width,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "layer_switch": 4,
            "logit_scale": 0.25,
            "model_type": "cohere2",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "order_of_interleaved_layers": "local_attn_first",
            "position_embedding_type": "rope_gptj",
            "rope_theta": 50000,
            "rotary_pct": 1.0,
            "sliding_window": 4096,
            "sliding_window_pattern": 4,
            "torch_dtype": made.dtype,
            "use_embedding_sharing": True,
            "use_gated_activation": True,
            "use_parallel_block": True,
            "vocab_size": sizes.vocabulary,
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
            "torch_dtype": made.dtype,
            "vision_use_head": False,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
    }


WIDTHS = {"layers": 4, "hidden": 4096, "intermediate": 14336, "heads": 32, "kv_heads": 8, "vocabulary": 256000}
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "image": 364}
AYA_VISION = Published("aya_vision", TOKENS, NAMES, files)
register(
    Release("aya-vision-8b", AYA_VISION, Sizes(**WIDTHS, **TOWER), spare=256000 - 255000, dtype="float16", tied=True)
)
