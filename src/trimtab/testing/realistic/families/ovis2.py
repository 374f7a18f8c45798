"""Ovis2 in the format of transformers: the 1B and the 2B.

Found: template, tokens, processor and names of the configuration in the script that converted it; sizes of decoder and
tower, ids and the image processor's rule in a public survey of its files. By that script: the type of the weights. As
remembered, and not looked up: the decoders' other keys, which are those of Qwen2.5's 0.5B and 1.5B; the decoding
settings. Left out: the first release's description of its tower, which nothing reads.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

ATOM, AROUND = "<IMG_ATOM>", ("<IMG_START>", "<IMG_GRID>", "<IMG_COL>", "<IMG_ROW>", "<IMG_END>")
TOKENS = Tokens(QWEN_WORDS, special=qwen.SPECIAL, marks=qwen.MARKS, last=(ATOM, *AROUND), lists=True)
VISUAL_WORDS = 65536
"""Rows of the table of what is seen; the last five are the tokens around tiles."""
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n"
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\\n' }}"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}{{ '<image>\\n' }}{% elif part.type == 'text' %}{{ part.text }}{% endif %}"
    "{% endfor %}{% endif %}{{ '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""One system prompt, always, and a picture's word that is no token."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: tiles by the grid that covers a picture, tokens around them with a table of their own."""
    side = made.sizes.image
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            **qwen.ends(made),
            "transformers_version": "4.55.0.dev0",
        },
        "preprocessor_config.json": {
            "crop_to_patches": True,
            "do_convert_rgb": True,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": qwen.CLIP_MEAN,
            "image_processor_type": "Ovis2ImageProcessor",
            "image_std": qwen.CLIP_STD,
            "max_patches": 12,
            "min_patches": 1,
            "processor_class": "Ovis2Processor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
            "use_covering_area_grid": True,
        },
        "processor_config.json": {
            "image_seq_length": (side // 28) ** 2,
            "image_token": "<image>",
            "processor_class": "Ovis2Processor",
        },
        "tokenizer_config.json": qwen.tokenizer_config(
            made,
            TEMPLATE,
            additional_special_tokens=[*qwen.SPECIAL[1:], ATOM, *AROUND],
            model_max_length=32768,
            processor_class="Ovis2Processor",
            return_token_type_ids=False,
        ),
        "chat_template.jinja": TEMPLATE,
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["Ovis2ForConditionalGeneration"],
        "hidden_size": sizes.hidden,
        "image_token_id": ids[ATOM],
        "model_type": "ovis2",
        "text_config": {
            **qwen.ends(made),
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 32768,
            "max_window_layers": sizes.layers,
            "model_type": "qwen2",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-06,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            "tie_word_embeddings": True,
            "torch_dtype": "bfloat16",
            "use_sliding_window": False,
            "vocab_size": sizes.vocabulary,
        },
        "torch_dtype": made.dtype,
        "transformers_version": "4.55.0.dev0",
        "vision_config": {
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "hidden_stride": 2,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "mlp_bias": False,
            "model_type": "ovis2_vision",
            "num_attention_heads": sizes.vision_heads,
            "num_channels": 3,
            "num_hidden_layers": sizes.vision_layers,
            "num_visual_indicator_tokens": len(AROUND),
            "patch_size": 14,
            "qkv_bias": False,
            "rms_norm_eps": 1e-05,
            "tokenize_function": "softmax",
            "vocab_size": min(VISUAL_WORDS, sizes.vocabulary),
        },
        "visual_indicator_token_ids": [ids[token] for token in AROUND],
        "vocab_size": sizes.vocabulary,
    }


OVIS2 = Published("ovis2", TOKENS, {}, files)
TOWER = {"vision_hidden": 1024, "vision_intermediate": 2816, "vision_heads": 8, "image": 448, "vocabulary": 151936}
WIDTHS = {
    "ovis2-1b": {"hidden": 896, "intermediate": 4864, "heads": 14},
    "ovis2-2b": {"hidden": 1536, "intermediate": 8960, "heads": 12},
}
register(
    *(
        Release(name, OVIS2, Sizes(**widths, kv_heads=2, **TOWER), 151936 - qwen.PIECES, dtype="float32", tied=True)
        for name, widths in WIDTHS.items()
    )
)
