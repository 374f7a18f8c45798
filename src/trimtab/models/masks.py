"""Which tokens a layer's queries see, where that is not simply all that came before.

Families' own code counts windows in slots, and so is wrong where a batch is padded in its middle, behind prefixes. Here
they are counted in tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from trimtab.errors import UnsupportedModelError

MaskRule = Literal["causal", "media", "media_in_windows", "prompt"]
"""``causal``: a token sees what came before it; ``media``: tokens of one medium see each other, too;
``media_in_windows``: they do so in layers with windows alone, and no further back than these; ``prompt``: all tokens of
the prompt see each other."""

ATTENDING = ("full_attention", "sliding_attention")
LINEAR = "linear_attention"
"""Kinds of layers in a configuration: those that attend to earlier tokens one by one, and those that carry a state."""

NO_BLOCK = -1
"""The block of tokens that are in none."""


def blocks_of(rule: MaskRule, ids: Tensor, placeholders: Sequence[int]) -> Tensor | None:
    """Return the blocks whose tokens see each other whatever the order, by number, ``(length,)``; None if causal.

    Args:
        rule: The rule.
        ids: Token ids of a whole prompt, ``(length,)``.
        placeholders: The tokens that stand for positions of media.
    """
    if rule == "causal":
        return None
    if rule == "prompt":
        return torch.zeros_like(ids)
    shown = torch.zeros_like(ids, dtype=torch.bool)
    for token in placeholders:
        shown |= ids == token
    begins = shown & torch.cat([shown.new_ones(1), ids[1:] != ids[:-1]])
    return (begins.long().cumsum(0) - 1).masked_fill(~shown, NO_BLOCK)


def cut_before(blocks: Tensor | None, index: int) -> int:
    """Return the last place up to ``index`` where a prompt can be cut: not inside a block."""
    if blocks is None or not 0 < index < len(blocks) or int(blocks[index]) == NO_BLOCK:
        return index
    same = blocks[:index] == blocks[index]
    return index - int(same.flip(0).long().cumprod(0).sum())


def seen(mask: Tensor, length: int, window: int | None, blocks: Tensor | None, rule: MaskRule = "media") -> Tensor:
    """Return which keys each query sees, ``(rows, 1, length, cached + length)``.

    Args:
        mask: 1 at tokens, 0 at padding, ``(rows, cached + length)``.
        length: Slots of the queries, which are the last ones.
        window: How many tokens a query sees, itself among them; None for all.
        blocks: The queries' blocks, ``(rows, length)``; None if there are none.
        rule: What blocks mean.
    """
    keys = (mask.cumsum(-1) - 1).masked_fill(mask == 0, -1)
    queries = keys[:, -length:]
    found = (keys[:, None] >= 0) & (keys[:, None] <= queries[..., None])
    own, together = found[..., -length:], None
    if blocks is not None:
        together = (blocks[:, None] == blocks[..., None]) & (blocks >= 0)[:, None]
    if together is not None and rule == "media_in_windows" and window is not None:
        own |= together
    if window is not None:
        found &= keys[:, None] > queries[..., None] - window
    if together is not None and rule != "media_in_windows":
        own |= together
    own |= torch.eye(length, dtype=torch.bool, device=mask.device)  # padding sees itself, lest it see nothing
    return found[:, None]


def in_form(found: Tensor, implementation: str, dtype: torch.dtype) -> Tensor:
    """Return what is seen in the form that an attention implementation takes: boolean, or added to the scores."""
    if implementation == "sdpa":
        return found
    hidden = torch.zeros((), dtype=dtype, device=found.device).expand(found.shape)
    return hidden.masked_fill(~found, torch.finfo(dtype).min)


def windows_of(config: object, n_layers: int) -> tuple[int | None, ...]:
    """Return how many tokens each layer sees by a decoder's configuration, None for all.

    Raises:
        UnsupportedModelError: Layers are of a kind that is not known.
    """
    window: int | None = getattr(config, "sliding_window", None)
    kinds = getattr(config, "layer_types", None)
    if not kinds:
        used = window is not None and getattr(config, "use_sliding_window", True)
        return (window if used else None,) * n_layers
    other = sorted(set(kinds) - {*ATTENDING, LINEAR})
    if other:
        raise UnsupportedModelError(
            f"`layer_types` of a model must be among {', '.join((*ATTENDING, LINEAR))}; its layers are of types "
            f"{', '.join(sorted(set(kinds)))}; load a model without {', '.join(other)}."
        )
    return tuple(window if kind == "sliding_attention" else None for kind in kinds)


def attends_of(config: object, n_layers: int) -> tuple[bool, ...]:
    """Return whether each layer attends to earlier tokens one by one, by a decoder's configuration."""
    kinds = getattr(config, "layer_types", None)
    return tuple(kind != LINEAR for kind in kinds) if kinds else (True,) * n_layers
