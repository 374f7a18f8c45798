"""Qwen2.5-Omni.

Found: names of the thinker's tensors, in transformers' conversion. The small files are as remembered, without what they
say of the parts that speak; of the tensors of these there are two.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families import qwen
from trimtab.testing.realistic.families.qwen2_audio import features
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import QWEN_WORDS, Tokens

SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>", "<|box_end|>"),
    *("<|quad_start|>", "<|quad_end|>", "<|vision_bos|>", "<|vision_eos|>", "<|vision_pad|>", "<|IMAGE|>", "<|VIDEO|>"),
)
NAMES = {
    "model.language_model.": "thinker.model.",
    "lm_head.": "thinker.lm_head.",
    "model.audio_tower.": "thinker.audio_tower.",
    "model.visual.": "thinker.visual.",
}
BESIDE = {"talker.codec_head.weight": (8, 16), "token2wav.code2wav_dit_model.proj_out.weight": (4, 16)}
TEMPLATE = (
    qwen.TEMPLATE.replace("vision_start", "vision_bos")
    .replace("vision_end", "vision_eos")
    .replace("<|image_pad|>", "<|IMAGE|>")
    .replace("<|video_pad|>", "<|VIDEO|>")
    .replace(
        "{%- elif part.type == 'video'",
        "{%- elif part.type == 'audio' or 'audio' in part %}{{- '<|audio_bos|><|AUDIO|><|audio_eos|>' }}"
        "{%- elif part.type == 'video'",
    )
)


def files(made: Made) -> dict[str, Any]:
    """Return the small files: one says how pictures and how sounds are processed."""
    pictures = {
        "image_mean": qwen.CLIP_MEAN,
        "image_processor_type": "Qwen2VLImageProcessor",
        "image_std": qwen.CLIP_STD,
        "max_pixels": 12845056,
        "merge_size": 2,
        "min_pixels": 3136,
        "patch_size": 14,
        "processor_class": "Qwen2_5OmniProcessor",
        "temporal_patch_size": 2,
    }
    return {
        "config.json": {
            "architectures": ["Qwen2_5OmniModel"],
            "enable_audio_output": True,
            "enable_talker": True,
            "model_type": "qwen2_5_omni",
            "thinker_config": _thinker(made),
            "torch_dtype": made.dtype,
            "transformers_version": "4.50.0.dev0",
        },
        "preprocessor_config.json": features(128, 300, dither=0.0, **pictures),
        "tokenizer_config.json": made.tokenizer_config(
            add_bos_token=False,
            add_prefix_space=False,
            additional_special_tokens=list(SPECIAL[1:]),
            bos_token=None,
            chat_template=TEMPLATE,
            clean_up_tokenization_spaces=False,
            eos_token="<|im_end|>",
            errors="replace",
            model_max_length=32768,
            pad_token="<|endoftext|>",
            processor_class="Qwen2_5OmniProcessor",
            split_special_tokens=False,
            tokenizer_class="Qwen2Tokenizer",
            unk_token=None,
        ),
        "chat_template.json": {"chat_template": TEMPLATE},
    }


def _thinker(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["Qwen2OmniNaViTThinkerForConditionalGeneration"],
        "audio_config": {
            "activation_function": "gelu",
            "d_model": sizes.vision_hidden,
            "encoder_attention_heads": sizes.vision_heads,
            "encoder_ffn_dim": 4 * sizes.vision_hidden,
            "encoder_layers": sizes.vision_layers,
            "max_source_positions": 1500,
            "model_type": "qwen2_5_omni_audio_encoder",
            "n_window": 100,
            "num_mel_bins": 128,
            "output_dim": sizes.hidden,
            "scale_embedding": False,
        },
        "audio_end_token_id": ids["<|audio_eos|>"],
        "audio_start_token_id": ids["<|audio_bos|>"],
        "audio_token_index": ids["<|AUDIO|>"],
        "bos_token_id": ids["<|im_start|>"],
        "eos_token_id": ids["<|im_end|>"],
        "ignore_index": -100,
        "image_token_index": ids["<|IMAGE|>"],
        "init_std": 0.02,
        "model_type": "qwen2_5_omni_thinker",
        "pad_token_id": ids["<|endoftext|>"],
        "position_id_per_seconds": 25,
        "seconds_per_chunk": 2,
        "text_config": _text(made),
        "torch_dtype": made.dtype,
        "user_token_id": 872,
        "video_token_index": ids["<|VIDEO|>"],
        "vision_config": {
            "depth": sizes.vision_layers,
            "embed_dim": sizes.vision_hidden,
            "fullatt_block_indexes": [*range(7, sizes.vision_layers - 1, 8), sizes.vision_layers - 1],
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "in_channels": 3,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "qwen2_5_omni_vision_encoder",
            "num_heads": sizes.vision_heads,
            "out_hidden_size": sizes.hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 25,
            "window_size": 112,
        },
        "vision_end_token_id": ids["<|vision_eos|>"],
        "vision_start_token_id": ids["<|vision_bos|>"],
        "vision_token_id": ids["<|vision_pad|>"],
    }


def _text(made: Made) -> dict[str, Any]:
    sizes, rotary = made.sizes, made.sizes.head_width // 2
    return {
        "attention_dropout": 0.0,
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "init_std": 0.02,
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "max_position_embeddings": 32768,
        "max_window_layers": sizes.layers,
        "model_type": "qwen2_5_omni_text",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {
            "mrope_section": [rotary // 4, 3 * rotary // 8, 3 * rotary // 8],
            "rope_type": "default",
            "type": "default",
        },
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "use_cache": True,
        "use_sliding_window": False,
        "vocab_size": sizes.vocabulary,
    }


register(
    Release(
        "qwen2.5-omni-7b",
        Published(
            "qwen2_5_omni",
            Tokens(QWEN_WORDS, special=SPECIAL, marks=qwen.MARKS, lists=True),
            NAMES,
            files,
            part="thinker_config",
            beside=BESIDE,
        ),
        Sizes(),
        spare=152064 - qwen.PIECES,
    )
)
