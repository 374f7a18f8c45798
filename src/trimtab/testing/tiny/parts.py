"""What tiny models of all families are made with: sizes, a template, and a tokenizer that can write any text."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from trimtab.models import FastTokenizer

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel

Parts = tuple[Any, Any, Any, str]
"""A Hugging Face model, its tokenizer, its image processor (or one for each modality), and a chat template."""

MakesConfig = Callable[..., "PretrainedConfig"]
"""A class of configurations, given what they say."""
MakesModel = Callable[..., "PreTrainedModel"]
"""A class of models, given a configuration."""

BUILDERS: dict[str, Callable[[int], Parts]] = {}
"""By family, what builds a tiny model of some layers; a builder is a function of the family's name."""


def builder(build: Callable[[int], Parts]) -> Callable[[int], Parts]:
    """Make known what builds a tiny model of a family, the function's name: a decorator."""
    BUILDERS[build.__name__] = build
    return build


TEXT = """Text context: a dog sleeps on the red sofa while two cats play with a ball in the garden.
What is the color of the animal in the picture? In case there is an inconsistency between the text context and
the image content, you should follow the image content rather than the text context. Please directly answer the
question. Answer the question by selecting the correct answer A or B. one two three happy sad USER ASSISTANT"""

TEXT_CONFIG = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.12,
}


def plain_template(placeholder: str = "<image>", **others: str) -> str:
    """A template that gives each picture a line, and each medium of other modalities, by the text for one."""
    marks = {"image": placeholder, **others}
    written = "{% el".join(f"if part.type == '{kind}' %}}{mark}\n" for kind, mark in marks.items())
    return (
        "{% for message in messages %}USER: {% for part in message.content %}{% "
        + written
        + "{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
        "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
    )


def text_config(tokenizer: FastTokenizer, layers: int, **changes: object) -> dict[str, Any]:
    """What is said of a decoder, but for its family's own."""
    return {
        **TEXT_CONFIG,
        "num_hidden_layers": layers,
        "vocab_size": len(tokenizer),
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "bos_token_id": None,
        **changes,
    }


def tower_config(**changes: object) -> dict[str, Any]:
    """What is said of a vision tower, but for its family's own."""
    return {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.12,
        **changes,
    }


@cache
def small_tokenizer(special: tuple[str, ...], eos: str, pad: str) -> FastTokenizer:
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
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=eos, pad_token=pad, padding_side="left")
    return cast(FastTokenizer, fast)
