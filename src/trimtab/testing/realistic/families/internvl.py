"""InternVL in the format of transformers: InternVL3-1B with a Qwen2 decoder, InternVL3.5-8B with a Qwen3 one.

Found: the 1B's tower, added tokens, template and tensors' names, from the script that converted it, and that its
decoder is Qwen2.5-0.5B's; that later scripts add ``<video>``; the 3.5's image token. As remembered, and not looked up:
the decoders' sizes, the vocabularies' sizes, and with them that the 1B's ``<video>`` is beyond its embeddings; that
neither is tied, though transformers 5 supposes it where nothing is said. Made up: that the 1B's positions are not
scaled; the picture's mark in the template, today's; the 3.5's other files, after the 1B's.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

LAST = ("<img>", "</img>", "<IMG_CONTEXT>", "<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>", "<video>")
TOKENS = Tokens(QWEN_WORDS, special=qwen.SPECIAL, marks=qwen.MARKS, last=LAST, lists=True)
QWEN3_TOKENS = Tokens(QWEN_WORDS, special=qwen.SPECIAL, marks=(*qwen.MARKS, *qwen.THOUGHTS), last=LAST, lists=True)
NAMES = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.vision_tower.": "vision_tower.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}{{ '<IMG_CONTEXT>\\n' }}{% elif part.type == 'video' %}{{ '<video>\\n' }}"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""No system text: the one that the models were trained with is given by the code they came with."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: an image processor that says pictures are not cut, which the processor overrules."""
    side = made.sizes.image
    extra = {"context_image_token": "<IMG_CONTEXT>", "end_image_token": "</img>", "start_image_token": "<img>"}
    extra["video_token"] = "<video>"
    return {
        "config.json": _config(made),
        "generation_config.json": {"_from_model_config": True, **_ends(made), "transformers_version": "4.52.0.dev0"},
        "preprocessor_config.json": {
            "crop_size": None,
            "crop_to_patches": False,
            "data_format": "channels_first",
            "default_to_square": True,
            "do_center_crop": None,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.485, 0.456, 0.406],
            "image_processor_type": "GotOcr2ImageProcessorFast",
            "image_std": [0.229, 0.224, 0.225],
            "max_patches": 12,
            "min_patches": 1,
            "processor_class": "InternVLProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
        },
        "processor_config.json": {"image_seq_length": (side // 28) ** 2, "processor_class": "InternVLProcessor"},
        "tokenizer_config.json": qwen.tokenizer_config(
            made,
            TEMPLATE,
            additional_special_tokens=[*qwen.SPECIAL[1:], *LAST],
            extra_special_tokens=extra,
            model_max_length=8192,
            processor_class="InternVLProcessor",
            return_token_type_ids=False,
            **extra,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _ends(made: Made) -> dict[str, int]:
    return {"bos_token_id": made.ids["<|endoftext|>"], "eos_token_id": made.ids["<|im_end|>"]}


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    return {
        "architectures": ["InternVLForConditionalGeneration"],
        "downsample_ratio": 0.5,
        "image_seq_length": (sizes.image // 28) ** 2,
        "image_token_id": made.ids["<IMG_CONTEXT>"],
        "model_type": "internvl",
        "projector_hidden_act": "gelu",
        "text_config": {
            **_ends(made),
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 32768,
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "torch_dtype": made.dtype,
            "use_cache": True,
            "use_sliding_window": False,
            "vocab_size": sizes.vocabulary,
            **made.release.facts,
            **({"head_dim": sizes.head_width} if sizes.head else {}),
        },
        "torch_dtype": made.dtype,
        "transformers_version": "4.52.0.dev0",
        "vision_config": {
            "architectures": ["InternVisionModel"],
            "attention_bias": True,
            "hidden_size": sizes.vision_hidden,
            "image_size": [sizes.image, sizes.image],
            "intermediate_size": sizes.vision_intermediate,
            "layer_norm_eps": 1e-06,
            "layer_scale_init_value": 0.1,
            "model_type": "internvl_vision",
            "norm_type": "layer_norm",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": [14, 14],
            "torch_dtype": made.dtype,
            "use_absolute_position_embeddings": True,
            "use_mean_pooling": True,
            "use_qk_norm": False,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "default",
    }


TOWER = {"vision_hidden": 1024, "vision_intermediate": 4096, "image": 448}
register(
    Release(
        "internvl3-1b",
        Published("internvl", TOKENS, NAMES, files),
        Sizes(hidden=896, intermediate=4864, heads=14, kv_heads=2, vocabulary=151674, **TOWER),
        spare=151674 - qwen.PIECES,
        facts={"architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2"},
    ),
    Release(
        "internvl3.5-8b",
        Published("internvl", QWEN3_TOKENS, NAMES, files),
        Sizes(hidden=4096, intermediate=12288, heads=32, kv_heads=8, head=128, vocabulary=151936, **TOWER),
        spare=151936 - qwen.PIECES,
        facts={"architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "model_type": "qwen3"},
    ),
)
