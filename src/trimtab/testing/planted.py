"""Models whose answer depends on image and text with weights we choose: the truth that measures are held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.testing.tiny import tiny_model

MARK = 300.0
"""Size of the embedding channel that says of a token whether it belongs to a picture (+) or not (-)."""

MARGIN = 100.0
"""Attention score of the tokens a head reads; the others get its negative, so their weight underflows to exactly 0."""

PLANTED_FAMILIES = ("qwen2_5_vl", "llava")
"""The families whose tiny models this can be planted in; Qwen3-VL normalises queries and keys."""

GAIN = 4.0
"""Size of the logits."""


@torch.no_grad()
def planted_model(image_weight: float, family: str = "qwen2_5_vl", *, seed: int = 0) -> Model:
    """Build a tiny model that mixes image and text with a known weight.

    In its last layer, and nowhere else, the last prompt token reads two averages: the query heads of the first key
    head read that of all picture tokens, those of the second key head that of all other tokens. Both are mapped to
    the logits by the same matrix, times ``image_weight`` and ``1 - image_weight``. There are no rotary positions, and
    no layer but the last does anything.

    So the Fisher information of the answer about the cached values of n picture tokens has the eigenvalues
    ``image_weight ** 2 / n`` times those of a matrix that is the same for both modalities; for n of N other tokens
    they are ``(1 - image_weight) ** 2 * n / N ** 2`` times the same. At weight 0 or 1 one modality's entries cannot
    reach the answer, and its score must be exactly 0.

    Args:
        image_weight: Weight of the image, 0 to 1.
        family: One of ``PLANTED_FAMILIES``.
        seed: Seed of what is random about the weights.

    Raises:
        UsageError: The weight is not in 0..1, or the family is unknown.
    """
    if not 0 <= image_weight <= 1:
        raise UsageError(f"`image_weight` of planted_model must be in 0..1; got {image_weight}; 1 is the image alone.")
    if family not in PLANTED_FAMILIES:
        known = ", ".join(PLANTED_FAMILIES)
        raise UsageError(f"`family` of planted_model must be one of {known}; got {family!r}.")
    model = tiny_model(family, layers=2, seed=seed, check=False)
    generator = torch.Generator().manual_seed(seed)
    _mark_tokens(model)
    forget_positions(model)
    for layer in model.layers:
        for name, part in layer.named_parameters():
            if name.endswith(("o_proj.weight", "o_proj.bias", "down_proj.weight", "down_proj.bias")):
                part.zero_()
    _plant(model, model.layers[-1], image_weight, generator)
    norm = model.decoder.get_parameter("norm.weight")
    norm.fill_(GAIN * MARK / model.hidden_size**0.5)
    norm[0] = 0
    return model


def _mark_tokens(model: Model) -> None:
    """Write the mark into the first channel of every embedding: -1 of token embeddings, +1 of pictures."""
    model.embedding.weight[:, 0] = -MARK
    inside = {id(m) for m in [*model.decoder.modules(), model.lm_head]}
    last = [
        m
        for m in model.hf.modules()
        if isinstance(m, nn.Linear) and m.out_features == model.hidden_size and id(m) not in inside
    ][-1]
    last.weight[0] = 0
    last.bias[0] = MARK


def forget_positions(model: Model) -> None:
    """Take a decoder's rotary positions away."""
    for module in model.decoder.modules():
        if hasattr(module, "inv_freq"):
            module.get_buffer("inv_freq").zero_()


def _plant(model: Model, layer: nn.Module, weight: float, generator: torch.Generator) -> None:
    heads, width, hidden = model.text_config.num_key_value_heads, model.head_dim, model.hidden_size
    group = model.n_heads // heads
    parts: dict[str, Any] = {name.split(".")[-1]: part for name, part in layer.named_modules()}
    for name in ("q_proj", "k_proj", "v_proj"):
        parts[name].weight.zero_()
        if parts[name].bias is not None:
            parts[name].bias.zero_()
    # After normalisation the mark is +-sqrt(hidden). Query and key hold it in one channel; the query is no picture
    # token, so a key of the opposite sign to a picture's mark attracts it.
    size = (MARGIN * width**0.5 / hidden) ** 0.5
    parts["q_proj"].weight[::width, 0] = size
    parts["k_proj"].weight[0, 0], parts["k_proj"].weight[width, 0] = -size, size
    values = torch.randn(width, hidden - 1, generator=generator) * MARK / hidden
    outputs = torch.randn(hidden - 1, width, generator=generator) / (group * width**0.5)
    for head, share in enumerate((weight, 1 - weight)):
        parts["v_proj"].weight[head * width : (head + 1) * width, 1:] = values
        for query in range(head * group, (head + 1) * group):
            parts["o_proj"].weight[1:, query * width : (query + 1) * width] = share * outputs
