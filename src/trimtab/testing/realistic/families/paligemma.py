"""PaliGemma and PaliGemma 2, the 3B for pictures of 224 pixels.

Found: sizes, the table's rows, what is added to the tokenizer and the names of tensors, in the scripts that converted
them; that there is no chat template, and that the configuration's own ``vocab_size`` is not the table's. As remembered,
and not looked up: the other keys, the types of the weights, the decoding settings.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import gemma3
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import Tokens

TOKENS = Tokens(
    first=("<pad>", "<eos>", "<bos>", "<unk>", "<mask>"),
    filling=(*(f"<loc{i:0>4}>" for i in range(1024)), *(f"<seg{i:0>3}>" for i in range(128))),
    last=("<image>",),
    before=("<bos>",),
    prefix=False,
)
"""Gemma's, with words for places and shapes."""


def files(made: Made) -> dict[str, Any]:
    """Return the small files: no template, ids and sizes that a configuration says twice."""
    side = made.sizes.image
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            "bos_token_id": 2,
            "cache_implementation": "hybrid",
            "eos_token_id": 1,
            "pad_token_id": 0,
            "transformers_version": made.release.facts["version"],
        },
        "preprocessor_config.json": {
            "do_convert_rgb": None,
            "do_normalize": True,
            "do_rescale": True,
            "do_resize": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_processor_type": "SiglipImageProcessor",
            "image_seq_length": (side // 14) ** 2,
            "image_std": [0.5, 0.5, 0.5],
            "processor_class": "PaliGemmaProcessor",
            "resample": 3,
            "rescale_factor": 1 / 255,
            "size": {"height": side, "width": side},
        },
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=True,
            add_eos_token=False,
            additional_special_tokens=["<image>"],
            bos_token="<bos>",
            clean_up_tokenization_spaces=False,
            eos_token="<eos>",
            model_max_length=1000000000000000019884624838656,
            pad_token="<pad>",
            processor_class="PaliGemmaProcessor",
            sp_model_kwargs={},
            spaces_between_special_tokens=False,
            tokenizer_class="GemmaTokenizer",
            unk_token="<unk>",
            use_default_system_prompt=False,
        ),
    }


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    patches = {"num_image_tokens": (sizes.image // 14) ** 2}
    scale = {"query_pre_attn_scalar": sizes.head_width} if "query_pre_attn_scalar" in made.release.facts["text"] else {}
    return {
        "architectures": ["PaliGemmaForConditionalGeneration"],
        "bos_token_id": 2,
        "eos_token_id": 1,
        "hidden_size": 2048,  # also in the second, whose stream is wider
        "ignore_index": -100,
        "image_token_index": made.ids["<image>"],
        "model_type": "paligemma",
        "pad_token_id": 0,
        "projection_dim": sizes.hidden,
        "text_config": {
            "head_dim": sizes.head_width,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "torch_dtype": made.dtype,
            "vocab_size": sizes.vocabulary,
            **patches,
            **made.release.facts["text"],
            **scale,
        },
        "torch_dtype": made.dtype,
        "transformers_version": made.release.facts["version"],
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "siglip_vision_model",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
            "projection_dim": sizes.hidden,
            "vision_use_head": False,
            **patches,
        },
        "vocab_size": made.plain + len(made.tokens.filling),
    }


PALIGEMMA = Published("paligemma", TOKENS, gemma3.NAMES, files, plus_one=("model.language_model.",))
TOWER = {"vision_hidden": 1152, "vision_intermediate": 4304, "image": 224, "vocabulary": 257216}
GEMMA = {"hidden_activation": "gelu_pytorch_tanh", "model_type": "gemma"}
GEMMA2 = {
    "attn_logit_softcapping": 50.0,
    "cache_implementation": "hybrid",
    "final_logit_softcapping": 30.0,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_activation": "gelu_pytorch_tanh",
    "model_type": "gemma2",
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "use_cache": True,
}
register(
    Release(
        "paligemma-3b",
        PALIGEMMA,
        Sizes(hidden=2048, intermediate=16384, heads=8, kv_heads=1, head=256, **TOWER),
        spare=257216 - 256000,
        dtype="float32",
        tied=True,
        facts={"text": GEMMA, "version": "4.41.0.dev0"},
    ),
    Release(
        "paligemma2-3b",
        PALIGEMMA,
        Sizes(hidden=2304, intermediate=9216, heads=8, kv_heads=4, head=256, **TOWER),
        spare=257216 - 256000,
        tied=True,
        facts={"text": GEMMA2, "version": "4.47.0.dev0"},
    ),
)
