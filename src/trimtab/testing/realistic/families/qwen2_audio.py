"""Qwen2-Audio.

Found: names of tensors, in transformers' conversion; the template, in its processor. The small files are as remembered.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
PIECES = 151643
NAMES = {
    "model.language_model.": "language_model.model.",
    "lm_head.": "language_model.lm_head.",
    "model.audio_tower.": "audio_tower.",
    "model.multi_modal_projector.": "multi_modal_projector.",
}
CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' "
    "+ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
"""The tokenizer's own, for texts; the processor of transformers has one that takes sounds."""


def features(size: int, seconds: int, **own: object) -> dict[str, Any]:
    """Return what a file says of a feature extractor like Whisper's.

    Args:
        size: Its mel filters.
        seconds: The longest sound.
        own: What else it says.
    """
    return {
        "chunk_length": seconds,
        "feature_extractor_type": "WhisperFeatureExtractor",
        "feature_size": size,
        "hop_length": 160,
        "n_fft": 400,
        "n_samples": seconds * 16000,
        "nb_max_frames": seconds * 100,
        "padding_side": "right",
        "padding_value": 0.0,
        "return_attention_mask": True,
        "sampling_rate": 16000,
        **own,
    }


def files(made: Made) -> dict[str, Any]:
    """Return the small files: a text model that is named by what differs from Qwen2's defaults."""
    ids = made.ids
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "bos_token_id": ids["<|endoftext|>"],
            "do_sample": True,
            "eos_token_id": [ids["<|endoftext|>"], ids["<|im_end|>"]],
            "pad_token_id": ids["<|endoftext|>"],
            "repetition_penalty": 1.1,
            "temperature": 0.7,
            "top_k": 20,
            "top_p": 0.5,
            "transformers_version": "4.38.1",
        },
        "preprocessor_config.json": features(128, 30, processor_class="Qwen2AudioProcessor"),
        "tokenizer_config.json": made.tokenizer_config(
            add_prefix_space=False,
            additional_special_tokens=list(SPECIAL),
            bos_token=None,
            chat_template=CHATML,
            clean_up_tokenization_spaces=False,
            eos_token="<|endoftext|>",
            errors="replace",
            model_max_length=8192,
            pad_token="<|endoftext|>",
            processor_class="Qwen2AudioProcessor",
            split_special_tokens=False,
            tokenizer_class="Qwen2Tokenizer",
            unk_token=None,
        ),
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["Qwen2AudioForConditionalGeneration"],
        "audio_config": {
            "activation_function": "gelu",
            "d_model": sizes.vision_hidden,
            "encoder_attention_heads": sizes.vision_heads,
            "encoder_ffn_dim": sizes.vision_intermediate,
            "encoder_layerdrop": 0.0,
            "encoder_layers": sizes.vision_layers,
            "init_std": 0.02,
            "max_source_positions": 1500,
            "model_type": "qwen2_audio_encoder",
            "num_mel_bins": 128,
            "scale_embedding": False,
        },
        "audio_token_index": ids["<|AUDIO|>"],
        "ignore_index": -100,
        "model_type": "qwen2_audio",
        "text_config": {
            "bos_token_id": ids["<|endoftext|>"],
            "eos_token_id": ids["<|im_end|>"],
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 8192,
            "model_type": "qwen2",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "rms_norm_eps": 1e-05,
            "rope_theta": 10000,
            "sliding_window": 32768,
            "torch_dtype": made.dtype,
            "use_mrope": False,
            "vocab_size": sizes.vocabulary,
        },
        "torch_dtype": made.dtype,
        "transformers_version": "4.38.1",
        "vocab_size": sizes.vocabulary,
    }


register(
    Release(
        "qwen2-audio-7b",
        Published("qwen2_audio", Tokens(QWEN_WORDS, special=SPECIAL, lists=True), NAMES, files),
        Sizes(
            hidden=4096,
            intermediate=11008,
            heads=32,
            kv_heads=32,
            vocabulary=156032,
            vision_intermediate=5120,
            vision_heads=20,
        ),
        spare=156032 - PIECES,
    )
)
