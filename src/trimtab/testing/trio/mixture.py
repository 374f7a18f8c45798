"""A model of three modalities whose answer mixes them with weights we choose."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from trimtab.errors import UsageError
from trimtab.modalities import Modality, in_order
from trimtab.models import Model
from trimtab.testing.planted import GAIN, MARK, forget_positions
from trimtab.testing.trio.tiny import trio

MARKED: tuple[Modality, ...] = ("image", "text", "audio")
"""Which of the first embedding channels marks the tokens of which modality; the next one marks the first token."""
MARGIN = 120.0
"""Attention score of the tokens a head reads; so much below 0, softmax gives a token exactly nothing."""
CHANNELS = len(MARKED) + 1


@torch.no_grad()
def planted_trio(weights: Mapping[Modality, float], *, seed: int = 0) -> Model:
    """Build a tiny model that mixes image, audio and text with known weights.

    In its last layer, and nowhere else, the last prompt token reads three averages, by one head each: that of all
    picture tokens, of all sound tokens, and of all others but the first. All are mapped to the logits by the same
    matrix, times the modality's weight. What the prompt lacks adds nothing. There are no rotary positions, and no layer
    but the last does anything. At weight 0 a modality cannot reach the answer, and its score must be exactly 0.

    So the Fisher information of the answer about the cached values of a modality's n tokens has the eigenvalues
    ``weight ** 2 / n`` times those of a matrix that is the same for all modalities.

    Args:
        weights: A weight for each of ``image``, ``audio`` and ``text``; one left out is 0.
        seed: Seed of what is random about the weights.

    Raises:
        UsageError: A weight is negative or all are 0, or there is another modality.
    """
    if not set(weights) <= set(MARKED) or min(weights.values(), default=0) < 0 or not any(weights.values()):
        raise UsageError(
            f"`weights` of planted_trio must be numbers from 0 for {', '.join(in_order(MARKED))}, not all 0; got "
            f"{dict(weights)}."
        )
    model = trio(seed=seed, layers=2, check=False, name="planted-trio", num_attention_heads=4, num_key_value_heads=4)
    generator = torch.Generator().manual_seed(seed)
    _mark_tokens(model)
    forget_positions(model)
    for layer in model.layers:
        for name, part in layer.named_parameters():
            if name.endswith(("o_proj.weight", "down_proj.weight")):
                part.zero_()
    _plant(model, model.layers[-1], weights, generator)
    norm = model.decoder.get_parameter("norm.weight")
    norm.fill_(GAIN * MARK / model.hidden_size**0.5)
    norm[:CHANNELS] = 0
    return model


def _mark_tokens(model: Model) -> None:
    """Write a modality's mark into its channel of every embedding; the first token is nothing but its own mark."""
    table = model.embedding.weight
    table[:, :CHANNELS] = 0
    table[:, MARKED.index("text")] = MARK
    first = table[model.tokenizer.convert_tokens_to_ids("<s>")]
    first.zero_()
    first[CHANNELS - 1] = MARK
    for kind in model.placeholders:
        last = model.family.tower(model.hf, kind).get_submodule("linear_2")
        weight, bias = last.get_parameter("weight"), last.get_parameter("bias")
        weight[:CHANNELS] = 0
        bias[:CHANNELS] = 0
        bias[MARKED.index(kind)] = MARK


def _plant(model: Model, layer: nn.Module, weights: Mapping[Modality, float], generator: torch.Generator) -> None:
    width, hidden = model.head_dim, model.hidden_size
    parts: dict[str, Tensor] = {n.split(".")[-2]: p for n, p in layer.named_parameters() if n.endswith("proj.weight")}
    for name in ("q_proj", "k_proj", "v_proj"):
        parts[name].zero_()
    # After normalisation a mark is sqrt(hidden). The query is a token of text. A key of the head's own modality scores
    # MARGIN, the first token 0, and others -MARGIN, so that softmax gives them exactly nothing beside either.
    size = (MARGIN * width**0.5 / hidden) ** 0.5
    values = torch.randn(width, hidden - CHANNELS, generator=generator) * MARK / hidden
    outputs = torch.randn(hidden - CHANNELS, width, generator=generator) / width**0.5
    for head, kind in enumerate(MARKED):
        rows = slice(head * width, (head + 1) * width)
        parts["q_proj"][rows.start, MARKED.index("text")] = size
        parts["k_proj"][rows.start, : len(MARKED)] = -size
        parts["k_proj"][rows.start, head] = size
        parts["v_proj"][rows, CHANNELS:] = values
        parts["o_proj"][CHANNELS:, rows] = weights.get(kind, 0.0) * outputs
