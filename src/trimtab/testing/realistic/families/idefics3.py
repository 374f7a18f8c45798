"""Idefics3-8B.

Found: the image token's id and the scale of its features, in transformers; that a tile of 364 pixels takes 169
positions. As remembered, and not looked up: the decoder's and the tower's sizes, the vocabulary's size, and with it
that rows and columns have no tokens of their own; the image processor's settings; the reserved tokens. Made up: the
decoding settings, as Idefics2's are remembered; the template, as SmolVLM's with Llama's beginning.
"""

from __future__ import annotations

from typing import Any

from trimtab.testing.realistic.published import Made, Published, Release, register
from trimtab.testing.realistic.sizes import Sizes
from trimtab.testing.realistic.vocabulary import LLAMA3_WORDS, Tokens

HALF = [0.5, 0.5, 0.5]
LLAMA3_SPECIAL = (
    *("<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(4))),
    *("<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>"),
    *(f"<|reserved_special_token_{i}|>" for i in range(5, 251)),
)
TOKENS = Tokens(
    LLAMA3_WORDS,
    special=(*LLAMA3_SPECIAL, "<fake_token_around_image>", "<image>", "<end_of_utterance>"),
    before=("<|begin_of_text|>",),
)


def template(begins: str) -> str:
    """Return the template of Idefics3 and SmolVLM: no system prompt, no space before a picture that comes first."""
    return (
        begins + "{% for message in messages %}{{ message.role | capitalize }}"
        "{% if message.content[0].type == 'image' %}{{ ':' }}{% else %}{{ ': ' }}{% endif %}"
        "{% for part in message.content %}{% if part.type == 'text' %}{{ part.text }}"
        "{% elif part.type == 'image' %}{{ '<image>' }}{% elif part.type == 'video' %}{{ '<video>' }}{% endif %}"
        "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}"
    )


def pictures(kind: str, side: int, longest: int, **own: object) -> dict[str, Any]:
    """Return ``preprocessor_config.json``: pictures scaled up to ``longest`` and cut into tiles."""
    return {
        "do_convert_rgb": True,
        "do_image_splitting": True,
        "do_normalize": True,
        "do_pad": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": HALF,
        "image_processor_type": f"{kind}ImageProcessor",
        "image_std": HALF,
        "max_image_size": {"longest_edge": side},
        "processor_class": f"{kind}Processor",
        "resample": 1,
        "rescale_factor": 1 / 255,
        "size": {"longest_edge": longest},
        **own,
    }


def files(made: Made) -> dict[str, Any]:
    """Return the small files: words that the model must not write, a tower that is called as the model is."""
    ids, side = made.ids, made.sizes.image
    begins, pad = ids["<|begin_of_text|>"], ids["<|reserved_special_token_0|>"]
    ends = ids["<|end_of_text|>"]
    return {
        "config.json": _config(made),
        "generation_config.json": {
            "_from_model_config": True,
            "bad_words_ids": [[ids["<fake_token_around_image>"]], [ids["<image>"]]],
            "bos_token_id": begins,
            "eos_token_id": [ends, ids["<end_of_utterance>"]],
            "pad_token_id": pad,
            "transformers_version": "4.45.0.dev0",
        },
        "preprocessor_config.json": pictures("Idefics3", side, 4 * side),
        "processor_config.json": {"image_seq_len": (side // 28) ** 2, "processor_class": "Idefics3Processor"},
        "tokenizer_config.json": made.tokenizer_config(
            bos_token="<|begin_of_text|>",
            chat_template=template("<|begin_of_text|>"),
            clean_up_tokenization_spaces=True,
            eos_token="<end_of_utterance>",
            model_max_length=131072,
            pad_token="<|reserved_special_token_0|>",
            processor_class="Idefics3Processor",
            tokenizer_class="PreTrainedTokenizerFast",
        ),
        "chat_template.json": {"chat_template": template("<|begin_of_text|>")},
    }


def _config(made: Made) -> dict[str, Any]:
    sizes, ids = made.sizes, made.ids
    return {
        "architectures": ["Idefics3ForConditionalGeneration"],
        "image_token_id": ids["<image>"],
        "model_type": "idefics3",
        "scale_factor": 2,
        "text_config": {
            "architectures": ["VLlama3ForCausalLM"],
            "bos_token_id": ids["<|begin_of_text|>"],
            "eos_token_id": ids["<|end_of_text|>"],
            "hidden_size": sizes.hidden,
            "intermediate_size": sizes.intermediate,
            "max_position_embeddings": 10240,
            "model_type": "llama",
            "num_attention_heads": sizes.heads,
            "num_hidden_layers": sizes.layers,
            "num_key_value_heads": sizes.kv_heads,
            "pad_token_id": ids["<|reserved_special_token_0|>"],
            "rms_norm_eps": 1e-05,
            "rope_theta": 500000.0,
            "torch_dtype": made.dtype,
            "vocab_size": sizes.vocabulary,
        },
        "tie_word_embeddings": made.tied,
        "torch_dtype": made.dtype,
        "transformers_version": "4.45.0.dev0",
        "use_cache": True,
        "vision_config": {
            "hidden_size": sizes.vision_hidden,
            "image_size": sizes.image,
            "intermediate_size": sizes.vision_intermediate,
            "model_type": "idefics3",
            "num_attention_heads": sizes.vision_heads,
            "num_hidden_layers": sizes.vision_layers,
            "patch_size": 14,
        },
    }


IDEFICS3 = Published("idefics3", TOKENS, {}, files)
register(
    Release(
        "idefics3-8b",
        IDEFICS3,
        Sizes(
            hidden=4096,
            intermediate=14336,
            heads=32,
            kv_heads=8,
            vocabulary=128259,
            vision_hidden=1152,
            vision_intermediate=4304,
            image=364,
        ),
        spare=259,
    )
)
