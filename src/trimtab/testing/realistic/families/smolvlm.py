"""SmolVLM2 and SmolVLM, the latter published as an Idefics3.

Found: the 500M's sizes and those of the tower, its text part's classes, the ids of the image token and the number of
rows, the template, that a tile has 512 pixels. As remembered, and not looked up: the 256M's sizes, the 256M's and
500M's untied tables, keys of the training code, sizes of clips, the order of the added tokens. Made up: the type of
the weights, float32 for SmolVLM2; names of tokens that are reserved.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.families.idefics3 import pictures, template
from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import GPT2_WORDS, Tokens

PLACES = tuple(f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7))
RESERVED = tuple(f"<|reserved_special_token_{i}|>" for i in range(88))
TOKENS = Tokens(
    GPT2_WORDS,
    first=("<|endoftext|>", "<|im_start|>", "<|im_end|>", *(f"<empty_{i}>" for i in range(14))),
    special=("<global-img>", *PLACES, "<fake_token_around_image>", "<image>", *RESERVED, "<end_of_utterance>"),
    lists=True,
)


def files(made: Made) -> dict[str, Any]:
    """Return the small files: keys of the training code that nothing reads, ``<|im_end|>`` to fill up."""
    sizes = made.sizes
    side = sizes.image // 64 * 64
    kind = "Idefics3" if made.release.family.name == "idefics3" else "SmolVLM"
    clips = {"video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": side}}}
    ends = {"bos_token_id": 1, "eos_token_id": made.ids["<end_of_utterance>"], "pad_token_id": 2}
    begins = template("<|im_start|>")
    return {
        "config.json": _config(made, kind, side),
        "generation_config.json": {"_from_model_config": True, **ends, "transformers_version": "4.47.1"},
        "preprocessor_config.json": pictures(kind, side, 4 * side, **(clips if kind == "SmolVLM" else {})),
        "processor_config.json": {"image_seq_len": (side // 64) ** 2, "processor_class": f"{kind}Processor"},
        "tokenizer_config.json": made.tokenizer_config(
            add_prefix_space=False,
            additional_special_tokens=["<fake_token_around_image>", "<image>", "<end_of_utterance>"],
            bos_token="<|im_start|>",
            chat_template=begins,
            clean_up_tokenization_spaces=False,
            eos_token="<end_of_utterance>",
            legacy=False,
            model_max_length=8192,
            pad_token="<|im_end|>",
            processor_class=f"{kind}Processor",
            tokenizer_class="GPT2Tokenizer",
            truncation_side="left",
            unk_token="<|endoftext|>",
            vocab_size=49152,
        ),
        "chat_template.json": {"chat_template": begins},
    }


def _config(made: Made, kind: str, side: int) -> dict[str, Any]:
    sizes = made.sizes
    return {
        "architectures": [f"{kind}ForConditionalGeneration"],
        "image_token_id": made.ids["<image>"],
        "model_type": kind.lower(),
        "scale_factor": 4,
        "text_config": {
            "_flash_attn_2_enabled": True,
            "architectures": ["VLlama3ForCausalLM"],
            "head_dim": sizes.head_width,
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "is_llama_config": True,
            "max_position_embeddings": 8192,
            "model_type": "llama",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "pad_token_id": 2,
            "perceiver_config": {"model_type": "vllama3", "resampler_n_latents": 64},
            "pixel_shuffle_factor": 4,
            "qk_layer_norms": False,
            "rms_norm_eps": 1e-05,
            "rope_interleaved": False,
            "rope_theta": 100000,
            "torch_dtype": made.dtype,
            "use_resampler": False,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": made.tied,
        "torch_dtype": made.dtype,
        "transformers_version": "4.47.1",
        "use_cache": False,
        "use_reentrant_checkpointing": False,
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": side,
            "intermediate_size": sizes.vision_intermediate,
            "max_image_size": {"longest_edge": side},
            "model_type": "idefics3" if kind == "Idefics3" else "smolvlm_vision",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 16,
            "size": {"longest_edge": 4 * side},
            "tie_word_embeddings": False,
            "use_base_siglip": True,
        },
        "vocab_size": sizes.vocabulary,
    }


TOWER = {"vision_hidden": 768, "vision_intermediate": 3072, "vision_heads": 12, "image": 512, "vocabulary": 49280}
MIDDLE = Sizes(hidden=960, intermediate=2560, heads=15, kv_heads=5, **TOWER)
LEAST = Sizes(hidden=576, intermediate=1536, heads=9, kv_heads=3, **TOWER)
SMOLVLM2 = Published("smolvlm", TOKENS, {}, files)
register(
    Release("smolvlm2-500m", SMOLVLM2, MIDDLE, spare=128, dtype="float32"),
    Release("smolvlm2-256m", SMOLVLM2, LEAST, spare=128, dtype="float32"),
    Release("smolvlm-256m", Published("idefics3", TOKENS, {}, files), LEAST, spare=128),
)
