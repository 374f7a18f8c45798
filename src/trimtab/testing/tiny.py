"""Tiny models with random weights, built through the same code path as real ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch

from trimtab.errors import UsageError
from trimtab.models import Model, from_parts

Parts = tuple[Any, Any, Any, str]
"""A Hugging Face model, its tokenizer and image processor, and a chat template."""

TEXT = """Text context: a dog sleeps on the red sofa while two cats play with a ball in the garden.
What is the color of the animal in the picture? In case there is an inconsistency between the text context and
the image content, you should follow the image content rather than the text context. Please directly answer the
question. Answer the question by selecting the correct answer A or B. one two three happy sad USER ASSISTANT"""

QWEN_TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% for part in message.content %}{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LLAVA_TEMPLATE = (
    "{% for message in messages %}USER: {% for part in message.content %}{% if part.type == 'image' %}<image>\n"
    "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def tiny_model(family: str = "qwen2_5_vl", *, layers: int = 4, seed: int = 0, check: bool = True) -> Model:
    """Build a small random model of a family with a working tokenizer and image processor.

    Args:
        family: One of ``TINY_FAMILIES``.
        layers: Decoder blocks.
        seed: Seed of the weights.
        check: Run the load-time self-check.

    Returns:
        A float32 model on the CPU: hidden size 64, 4 query heads of width 16, 2 key-value heads.

    Raises:
        UsageError: The family is unknown.
    """
    if family not in BUILDERS:
        raise UsageError(f"`family` of tiny_model must be one of {', '.join(TINY_FAMILIES)}; got {family!r}.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf, tokenizer, image_processor, template = BUILDERS[family](layers)
    return from_parts(hf, tokenizer, image_processor, template, name=f"tiny-{family}", check=check)


TEXT_CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.12,
}


QWEN_SPECIAL = ("<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>")
QWEN_TOWER = {"depth": 2, "num_heads": 2, "initializer_range": 0.12}


def _qwen2_vl(layers: int) -> Parts:
    from transformers import Qwen2VLConfig, Qwen2VLForConditionalGeneration

    tower = {**QWEN_TOWER, "embed_dim": 32, "hidden_size": 64, "mlp_ratio": 2}
    return _qwen(Qwen2VLConfig, Qwen2VLForConditionalGeneration, layers, tower)


def _qwen2_5_vl(layers: int) -> Parts:
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tower = {**QWEN_TOWER, "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64}
    tower |= {"window_size": 56, "fullatt_block_indexes": [1]}
    return _qwen(Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, layers, tower)


def _qwen3_vl(layers: int) -> Parts:
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tower = {**QWEN_TOWER, "hidden_size": 32, "intermediate_size": 64, "out_hidden_size": 64, "patch_size": 14}
    tower |= {"num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]}
    return _qwen(Qwen3VLConfig, Qwen3VLForConditionalGeneration, layers, tower, head_dim=16)


def _qwen(config_class: Any, model_class: Any, layers: int, tower: dict[str, Any], **text_config: Any) -> Parts:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    tokenizer = small_tokenizer(QWEN_SPECIAL, eos="<|im_end|>", pad="<|endoftext|>")
    ids = {t: tokenizer.convert_tokens_to_ids(t) for t in QWEN_SPECIAL}
    config = config_class(
        text_config={
            **TEXT_CONFIG,
            "num_hidden_layers": layers,
            "vocab_size": len(tokenizer),
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
            "eos_token_id": ids["<|im_end|>"],
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            **text_config,
        },
        vision_config=tower,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": 112 * 112})
    return model_class(config), tokenizer, processor, QWEN_TEMPLATE


def _llava(layers: int) -> Parts:
    from transformers import LlavaConfig, LlavaForConditionalGeneration
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    tokenizer = small_tokenizer(("<image>",), eos="</s>", pad="<pad>")
    config = LlavaConfig(
        text_config={
            **TEXT_CONFIG,
            "model_type": "llama",
            "num_hidden_layers": layers,
            "vocab_size": len(tokenizer),
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
        },
        vision_config={
            "model_type": "clip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 56,
            "patch_size": 14,
            "initializer_range": 0.12,
        },
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
    )
    size = {"height": 56, "width": 56}
    processor = CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size=size)
    return LlavaForConditionalGeneration(config), tokenizer, processor, LLAVA_TEMPLATE


BUILDERS: dict[str, Callable[[int], Parts]] = {
    "qwen2_5_vl": _qwen2_5_vl,
    "llava": _llava,
    "qwen2_vl": _qwen2_vl,
    "qwen3_vl": _qwen3_vl,
}
TINY_FAMILIES = tuple(BUILDERS)
"""The families that there is a tiny model of."""


@cache
def small_tokenizer(special: tuple[str, ...], eos: str, pad: str) -> Any:
    """Train a byte-level BPE on a few sentences: every text can be written, common words are one token."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    names = list(dict.fromkeys([*special, eos, pad]))
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=names,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=pad, padding_side="left")
