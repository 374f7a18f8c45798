"""Voxtral.

Found: names of tensors and keys of the configuration, in transformers' conversion; special tokens and what is said of
sounds, in mistral-common. Published are no other files of the tokenizer, and no template.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.qwen2_audio import NAMES, features
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.tekken import TEKKEN_WORDS, special_tokens
from trimtab.testing.realistic.vocabulary import Tokens


def files(made: Made) -> dict[str, Any]:
    """Return the small files."""
    own = {"dither": 0.0, "processor_class": "VoxtralProcessor", "return_attention_mask": False}
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": 11,
            "transformers_version": "4.54.0.dev0",
        },
        "preprocessor_config.json": features(128, 30, **own),
    }


def _config(made: Made) -> dict[str, Any]:
    sizes = made.sizes
    return {
        "architectures": ["VoxtralForConditionalGeneration"],
        "audio_config": {
            "activation_dropout": 0.0,
            "activation_function": "gelu",
            "attention_dropout": 0.0,
            "dropout": 0.0,
            "head_dim": sizes.vision_hidden // sizes.vision_heads,
            "hidden_size": sizes.vision_hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.vision_intermediate,
            "layerdrop": 0.0,
            "max_source_positions": 1500,
            "model_type": "voxtral_encoder",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "num_key_value_heads": sizes.vision_heads,
            "num_mel_bins": 128,
            "scale_embedding": False,
            "vocab_size": 51866,
        },
        "audio_token_id": 24,
        "hidden_size": sizes.hidden,
        "model_type": "voxtral",
        "projector_hidden_act": "gelu",
        "text_config": {
            "attention_bias": False,
            "attention_dropout": 0.0,
            "head_dim": sizes.head_width,
            "hidden_act": "silu",
            "hidden_size": sizes.hidden,
            "initializer_range": 0.02,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 131072,
            "mlp_bias": False,
            "model_type": "llama",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "pretraining_tp": 1,
            "rms_norm_eps": 1e-05,
            "rope_scaling": None,
            "rope_theta": 100000000.0,
            "sliding_window": None,
            "use_cache": True,
            "vocab_size": sizes.vocabulary,
        },
        "torch_dtype": made.dtype,
        "transformers_version": "4.54.0.dev0",
        "vocab_size": sizes.vocabulary,
    }


register(
    Release(
        "voxtral-mini-3b",
        Published("voxtral", Tokens(TEKKEN_WORDS, first=special_tokens(), tekken=True), NAMES, files),
        Sizes(
            hidden=3072,
            intermediate=8192,
            heads=32,
            kv_heads=8,
            head=128,
            vocabulary=131072,
            vision_intermediate=5120,
            vision_heads=20,
        ),
        spare=0,
    )
)
