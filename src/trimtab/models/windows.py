"""Prove how much of the longest prompt each decoder layer sees: all of it, or the window that its family says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError
from trimtab.models.model import Model

if TYPE_CHECKING:
    from transformers import DynamicCache

LONG = 32768
"""Tokens tried where the configuration names no longest prompt."""


@torch.no_grad()
def check_windows(model: Model) -> None:
    """Ask each layer which of the earlier tokens the last one sees, in the longest prompt the model takes.

    One field of a configuration does not tell: families name windows in different ways, or only act on them. So the
    decoder itself is asked for one token behind a cache that only claims to be long; attention is left out, so this
    costs less than a token.

    Raises:
        UnsupportedModelError: A layer sees more or less than the family's ``windows`` say.
    """
    length = model.max_positions or LONG
    masks: list[Tensor | None] = []
    first = torch.zeros(1, dtype=torch.long, device=model.device)
    axes = len(model.family.positions(model.hf, first, []))
    positions = torch.full((axes, 1, 1), length - 1, device=model.device)
    cache = _claiming(length - 1, model)
    with _attention_recorded(model, masks):
        model.decoder(
            inputs_embeds=model.embedding(first)[None],
            attention_mask=torch.ones(1, length, dtype=torch.long, device=model.device),  # masked by its own rule
            position_ids=positions[0] if axes == 1 else positions,
            past_key_values=cache,
            use_cache=True,
            **model.family.decoder_inputs(model.hf, {"ids": first[None]}),
        )
    attending = [layer for layer, attends in enumerate(model.attends) if attends]
    if len(masks) != len(attending):
        raise UnsupportedModelError(
            f"`{model.name}` must attend once in each of {len(attending)} layers; {len(masks)} did; load a model of a "
            "known family, unchanged."
        )
    _check_states(model, cache)
    for layer, mask in zip(attending, masks, strict=True):
        window = model.windows[layer]
        found, said = length if mask is None else int(_visible(mask).sum(-1).min()), window or length
        if found != said:
            raise UnsupportedModelError(
                f"`{model.name}` must attend in layer {layer} to {said} of {length} tokens, as family "
                f"{model.family.name} says; it sees {found}; correct `windows` of the family, or `sliding_window` and "
                "`layer_types` in its config.json."
            )


def _check_states(model: Model, cache: DynamicCache) -> None:
    """Look at what layers that are said to carry a state have kept of a token.

    Raises:
        UnsupportedModelError: One has kept keys.
    """
    from transformers.cache_utils import DynamicLayer

    for number, layer in enumerate(cache.layers):
        if not model.attends[number] and isinstance(layer, DynamicLayer):
            raise UnsupportedModelError(
                f"`{model.name}` must carry a state in layer {number}, as family {model.family.name} says; it keeps a "
                "token's keys and values; correct `attends` of the family, or `layer_types` in its config.json."
            )


def _visible(mask: Tensor) -> Tensor:
    """Which keys a mask shows, be it boolean or added to the scores."""
    return mask if mask.dtype == torch.bool else mask > torch.finfo(mask.dtype).min / 2


def _claiming(length: int, model: Model) -> DynamicCache:
    """A cache that claims so many tokens for each layer that attends, and holds none."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    cache = model.family.cache(model.hf) if model.recurrent else DynamicCache()
    cache.layers += [DynamicLayer() for _ in model.layers[len(cache.layers) :]]
    for number in model.attentions:
        layer = cast(DynamicLayer, cache.layers[number])
        layer.keys = layer.values = torch.zeros(1, device=model.device, dtype=model.dtype).expand(1, 1, length, 1)
        layer.is_initialized = True
    return cache


@contextmanager
def _attention_recorded(model: Model, masks: list[Tensor | None]) -> Iterator[None]:
    """Keep each layer's mask, and leave its attention out, inside the block."""

    def skip(
        hidden_states: Tensor, *_: object, attention_mask: Tensor | None = None, **__: object
    ) -> tuple[Tensor, None]:
        masks.append(attention_mask)
        return torch.zeros_like(hidden_states), None

    before = [(attention, vars(attention).get("forward")) for attention in model.attentions.values()]
    for attention, _ in before:
        attention.forward = skip
    try:
        yield
    finally:
        for attention, forward in before:
            if forward is None:
                del attention.forward
            else:
                attention.forward = forward
