"""A tiny random model of three modalities: image, audio and text."""

from __future__ import annotations

import torch

from trimtab.models import Family, Model, from_parts
from trimtab.testing.tiny.parts import TEXT_CONFIG, small_tokenizer
from trimtab.testing.trio.family import FrameProcessor, PatchProcessor
from trimtab.testing.trio.modeling import TrioConfig, TrioForConditionalGeneration

TEMPLATE = (
    "{% for message in messages %}<s>USER: {% for part in message.content %}{% if part.type == 'image' %}<image>\n"
    "{% elif part.type == 'audio' %}<audio>\n{% else %}{{ part.text }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def tiny_trio(seed: int = 0, *, layers: int = 4, check: bool = True) -> Model:
    """Build a small random model that is shown pictures and sounds.

    A picture takes 4 positions, a sound one for each quarter of a second.

    Args:
        seed: Seed of the weights.
        layers: Decoder blocks.
        check: Run the load-time self-check.

    Returns:
        A float32 model on the CPU: hidden size 64, 4 query heads of width 16, 2 key-value heads.
    """
    return trio(seed=seed, layers=layers, check=check)


def trio(
    *,
    seed: int,
    layers: int,
    check: bool,
    name: str = "tiny-trio",
    kind: type[TrioForConditionalGeneration] = TrioForConditionalGeneration,
    family: Family | None = None,
    **text_config: object,
) -> Model:
    """Build the model, or one made from it, with some of its decoder's configuration changed."""
    tokenizer = small_tokenizer(("<image>", "<audio>", "<s>"), eos="</s>", pad="<pad>")
    ids = {kind: tokenizer.convert_tokens_to_ids(f"<{kind}>") for kind in ("image", "audio")}
    config = TrioConfig(
        text_config={
            **TEXT_CONFIG,
            "num_hidden_layers": layers,
            "vocab_size": len(tokenizer),
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
            "bos_token_id": None,
            **text_config,
        },
        image_token_id=ids["image"],
        audio_token_id=ids["audio"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf = kind(config)
    processors = {"image": PatchProcessor(), "audio": FrameProcessor()}
    return from_parts(hf, tokenizer, processors, TEMPLATE, name=name, family=family, check=check)
