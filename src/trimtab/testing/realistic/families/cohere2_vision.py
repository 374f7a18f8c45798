"""Command A Vision, the 112B.

Found: sizes of decoder and tower, the pattern of windows, ids of the tokens for pictures, tiles of 512 pixels and 256
positions, means, decoding settings and the type of the weights, in public surveys of a copy of its files: those
released are gated. As remembered, and not looked up: the decoder's other keys, that its tensors have today's names but
for the tower's. Made up: most names of special tokens, the system prompt's words, that the template writes one position
for a picture, as the processor asks.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import aya_vision
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes

PATTERN = 4
"""Of so many layers the last one sees everything."""
POSITION = 32
"""Pixels of a position's side: two patches."""
MARKS = {
    "boi_token": "<|START_OF_IMG|>",
    "eoi_token": "<|END_OF_IMG|>",
    "image_token": "<|IMG_PATCH|>",
    "img_line_break_token": "<|IMG_LINE_BREAK|>",
}
TEMPLATE = aya_vision.template("You are a large language model that sees and answers.", MARKS["image_token"])


def files(made: Made) -> dict[str, Any]:
    """Return the small files: layers by name, an image processor that says how many positions a tile's side has."""
    side, ends = _side(made), made.ids[aya_vision.ENDS]
    half = [0.5, 0.5, 0.5]
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            "bos_token_id": 5,
            "cache_implementation": "hybrid",
            "do_sample": True,
            "eos_token_id": ends,
            "pad_token_id": 0,
            "temperature": 0.3,
            "top_p": 0.75,
            "transformers_version": "4.55.0.dev0",
        },
        "preprocessor_config.json": {
            "crop_to_patches": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": half,
            "image_processor_type": "Cohere2VisionImageProcessorFast",
            "image_std": half,
            "max_patches": 12,
            "min_patches": 1,
            "patch_size": side // POSITION,
            "processor_class": "Cohere2VisionProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
        },
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            add_prefix_space=False,
            bos_token="<BOS_TOKEN>",
            clean_up_tokenization_spaces=False,
            eos_token=aya_vision.ENDS,
            extra_special_tokens=MARKS,
            legacy=True,
            model_max_length=1000000000000000019884624838656,
            pad_token="<PAD>",
            processor_class="Cohere2VisionProcessor",
            tokenizer_class="CohereTokenizer",
            unk_token=None,
            use_default_system_prompt=False,
            **MARKS,
        ),
        "chat_template.jinja": TEMPLATE,
    }


def _side(made: Made) -> int:
    """Pixels of a tile's side, which are whole positions."""
    return made.sizes.image // POSITION * POSITION


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    kinds = ["full_attention" if layer % PATTERN == PATTERN - 1 else "sliding_attention" for layer in range(99)]
    return {
        "alignment_intermediate_size": sizes.intermediate,
        "architectures": ["Cohere2VisionForConditionalGeneration"],
        "downsample_factor": 2,
        "image_token_id": made.ids[MARKS["image_token"]],
        "model_type": "cohere2_vision",
        "text_config": {
            "attention_bias": False,
            "bos_token_id": 5,
            "eos_token_id": made.ids[aya_vision.ENDS],
            "head_dim": sizes.head_width,
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "layer_norm_eps": 1e-05,
            "layer_types": kinds[: sizes.layers],
            "logit_scale": 1.0,
            "max_position_embeddings": 500000,
            "model_type": "cohere2",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "pad_token_id": 0,
            "rope_scaling": None,
            "rope_theta": 50000,
            "sliding_window": 4096,
            "torch_dtype": made.dtype,
            "use_cache": True,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": True,
        "torch_dtype": made.dtype,
        "transformers_version": "4.55.0.dev0",
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": _side(made),
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "siglip_vision_model",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 16,
            "torch_dtype": made.dtype,
            "vision_use_head": False,
        },
    }


NAMES = {"model.vision_tower.": "model.vision_tower.vision_model."}
WIDTHS = {"layers": PATTERN, "hidden": 12288, "intermediate": 36864, "heads": 96, "kv_heads": 8, "vocabulary": 256000}
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "image": 512}
register(
    Release(
        "command-a-vision-112b",
        Published("cohere2_vision", aya_vision.TOKENS, NAMES, files),
        Sizes(**WIDTHS, **TOWER),
        spare=256000 - 255000,
        dtype="float16",
        tied=True,
    )
)
