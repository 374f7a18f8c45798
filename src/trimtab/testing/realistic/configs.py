"""The files of a released checkpoint that say what it is: configuration, decoding settings, picture settings."""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.releases import Release, Sizes
from trimtab.testing.realistic.vocabulary import QWEN_SPECIAL, llava_special, qwen_ids

CLIP_MEAN = [0.48145466, 0.4578275, 0.40821073]
CLIP_STD = [0.26862954, 0.26130258, 0.27577711]


def config_files(release: Release, sizes: Sizes, dtype: str, tied: bool, image_processor: str) -> dict[str, Any]:
    """Return the small JSON files by name, as published: old keys, and keys that no version reads any more."""
    if release.family == "qwen2_5_vl":
        ids = qwen_ids(sizes.vocabulary - release.spare)
        return {
            "config.json": _qwen(sizes, ids, dtype, tied),
            "generation_config.json": _qwen_decoding(ids),
            "preprocessor_config.json": _qwen_pictures(image_processor),
        }
    ids = llava_special(sizes.vocabulary - release.spare)
    return {
        "config.json": _llava(sizes, ids, dtype),
        "generation_config.json": {
            "_from_model_config": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "pad_token_id": ids["<pad>"],
            "transformers_version": "4.36.0.dev0",
        },
        "preprocessor_config.json": _llava_pictures(sizes, image_processor),
        "processor_config.json": {
            "image_token": "<image>",
            "num_additional_image_tokens": 1,
            "patch_size": 14,
            "processor_class": "LlavaProcessor",
            "vision_feature_select_strategy": "default",
        },
    }


def _qwen(sizes: Sizes, ids: dict[str, int], dtype: str, tied: bool) -> dict[str, Any]:
    rotary = sizes.hidden // sizes.heads // 2
    return {
        "architectures": ["Qwen2_5_VLForConditionalGeneration"],
        "attention_dropout": 0.0,
        "bos_token_id": ids["<|endoftext|>"],
        "eos_token_id": ids["<|im_end|>"],
        "hidden_act": "silu",
        "hidden_size": sizes.hidden,
        "image_token_id": ids["<|image_pad|>"],
        "initializer_range": 0.02,
        "intermediate_size": sizes.intermediate,
        "max_position_embeddings": 128000,
        "max_window_layers": sizes.layers,
        "model_type": "qwen2_5_vl",
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "num_key_value_heads": sizes.kv_heads,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_section": [rotary // 4, 3 * rotary // 8, 3 * rotary // 8], "type": "mrope"},
        "rope_theta": 1000000.0,
        "sliding_window": 32768,
        "tie_word_embeddings": tied,
        "torch_dtype": dtype,
        "transformers_version": "4.41.2",
        "use_cache": True,
        "use_sliding_window": False,
        "video_token_id": ids["<|video_pad|>"],
        "vision_config": {
            "depth": sizes.vision_layers,
            "fullatt_block_indexes": [*range(7, sizes.vision_layers - 1, 8), sizes.vision_layers - 1],
            "hidden_act": "silu",
            "hidden_size": sizes.vision_hidden,
            "in_chans": 3,
            "intermediate_size": sizes.vision_intermediate,
            "num_heads": sizes.vision_heads,
            "out_hidden_size": sizes.hidden,
            "patch_size": 14,
            "spatial_merge_size": 2,
            "spatial_patch_size": 14,
            "temporal_patch_size": 2,
            "tokens_per_second": 2,
            "window_size": 112,
        },
        "vision_end_token_id": ids["<|vision_end|>"],
        "vision_start_token_id": ids["<|vision_start|>"],
        "vision_token_id": ids["<|vision_pad|>"],
        "vocab_size": sizes.vocabulary,
    }


def _qwen_decoding(ids: dict[str, int]) -> dict[str, Any]:
    """Return settings that make `generate` of the checkpoint itself sample and punish repetition."""
    return {
        "bos_token_id": ids["<|endoftext|>"],
        "do_sample": True,
        "eos_token_id": [ids["<|im_end|>"], ids["<|endoftext|>"]],
        "pad_token_id": ids["<|endoftext|>"],
        "repetition_penalty": 1.05,
        "temperature": 1e-06,
        "transformers_version": "4.49.0",
    }


def _qwen_pictures(image_processor: str) -> dict[str, Any]:
    return {
        "image_mean": CLIP_MEAN,
        "image_processor_type": image_processor or "Qwen2VLImageProcessor",
        "image_std": CLIP_STD,
        "max_pixels": 12845056,
        "merge_size": 2,
        "min_pixels": 3136,
        "patch_size": 14,
        "processor_class": "Qwen2_5_VLProcessor",
        "temporal_patch_size": 2,
    }


def _llava(sizes: Sizes, ids: dict[str, int], dtype: str) -> dict[str, Any]:
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
            "torch_dtype": dtype,
            "vocab_size": sizes.vocabulary,
            **given,
        },
        "tie_word_embeddings": False,
        "torch_dtype": dtype,
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


def _llava_pictures(sizes: Sizes, image_processor: str) -> dict[str, Any]:
    return {
        "crop_size": {"height": sizes.image, "width": sizes.image},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": CLIP_MEAN,
        "image_processor_type": image_processor or "CLIPImageProcessor",
        "image_std": CLIP_STD,
        "processor_class": "LlavaProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": sizes.image},
    }


def tokenizer_config(release: Release, sizes: Sizes, template: str) -> dict[str, Any]:
    """Return ``tokenizer_config.json``."""
    plain = sizes.vocabulary - release.spare
    if release.family == "qwen2_5_vl":
        added = {i: _added(token, token in QWEN_SPECIAL) for token, i in qwen_ids(plain).items()}
        return {
            "add_bos_token": False,
            "add_prefix_space": False,
            "added_tokens_decoder": added,
            "additional_special_tokens": list(QWEN_SPECIAL[1:]),
            "bos_token": None,
            "chat_template": template,
            "clean_up_tokenization_spaces": False,
            "eos_token": "<|im_end|>",
            "errors": "replace",
            "model_max_length": 131072,
            "pad_token": "<|endoftext|>",
            "split_special_tokens": False,
            "tokenizer_class": "Qwen2Tokenizer",
            "unk_token": None,
        }
    return {
        "add_bos_token": True,
        "add_eos_token": False,
        "add_prefix_space": None,
        "added_tokens_decoder": {i: _added(token, True) for token, i in llava_special(plain).items()},
        "bos_token": "<s>",
        "clean_up_tokenization_spaces": False,
        "eos_token": "</s>",
        "extra_special_tokens": {"image_token": "<image>"},
        "image_token": "<image>",
        "legacy": False,
        "model_max_length": 1000000000000000019884624838656,
        "pad_token": "<pad>",
        "padding_side": "left",
        "processor_class": "LlavaProcessor",
        "sp_model_kwargs": {},
        "tokenizer_class": "LlamaTokenizer",
        "unk_token": "<unk>",
        "use_default_system_prompt": False,
    }


def _added(token: str, special: bool) -> dict[str, Any]:
    plain = dict.fromkeys(("lstrip", "normalized", "rstrip", "single_word"), False)
    return {"content": token, **plain, "special": special}
