"""Standard normal numbers that depend on a key and a place alone, and the draws of a whole measurement."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from trimtab.engine.local.whitebox import rows_within
from trimtab.modalities import Modality
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS

BLOCK = 64
"""Tokens whose numbers are drawn together."""

Key = Sequence[int | float | str]
Draws = Mapping[Modality, Tensor]
"""For each modality ``(layers, 2, draws, kv_heads, tokens, head_dim)``; for embeddings ``(draws, tokens, hidden)``."""


def standard_normal(
    tokens: int, width: int, key: Key, sites: tuple[int, ...] = (), device: torch.device | str = "cpu"
) -> Tensor:
    """Draw numbers for a run of tokens; a longer run of the same key begins with the same numbers.

    Args:
        tokens: How many tokens.
        width: Numbers of a token at one site.
        key: What seeds them.
        sites: Shape of the sites, such as layers and heads.
        device: Where they are drawn; CPU and GPU draw different numbers.

    Returns:
        ``(*sites, tokens, width)``, float32.
    """
    blocks = [_block((*sites, BLOCK, width), (*key, number), device) for number in range(-(-tokens // BLOCK))]
    return torch.cat(blocks, dim=-2)[..., :tokens, :] if blocks else torch.empty(*sites, 0, width, device=device)


def _block(shape: tuple[int, ...], key: Key, device: torch.device | str) -> Tensor:
    digest = hashlib.sha256(json.dumps(list(key)).encode()).digest()
    generator = torch.Generator(device).manual_seed(int.from_bytes(digest[:7], "big"))
    return torch.randn(shape, generator=generator, device=device)


class NoisePool:
    """The draws of one measurement, which all its items, sigmas and generated steps share.

    They are kept if memory allows, and else drawn again, a few at a time, for each batch of items.

    Attributes:
        draws_at_once: How many draws are in memory together.
    """

    def __init__(self, model: Model, config: MCS, longest: Mapping[Modality, int], most_draws: int) -> None:
        self._model, self._config, self._longest = model, config, longest
        if config.site == "embeddings":
            self._sites, self._width = (), model.hidden_size
        else:
            self._sites = (model.n_layers, 2, model.text_config.num_key_value_heads)
            self._width = model.head_dim
        draw_bytes = 4 * sum(longest.values()) * self._width * math.prod(self._sites)
        # The pool may take a quarter of what batches may plan for; stacking the draws takes as much again.
        self.draws_at_once = min(config.draws, most_draws, rows_within(model, 8 * draw_bytes))
        self._kept: Draws | None = None

    def chunks(self) -> Iterator[Draws]:
        """Yield all draws, as many at a time as fit."""
        if self.draws_at_once == self._config.draws:
            if self._kept is None:
                self._kept = self._draw(0, self._config.draws)
            yield self._kept
            return
        for start in range(0, self._config.draws, self.draws_at_once):
            yield self._draw(start, min(start + self.draws_at_once, self._config.draws))

    def _draw(self, start: int, end: int) -> Draws:
        device = self._model.device
        return {
            modality: torch.stack(
                [
                    standard_normal(
                        self._longest[modality],
                        self._width,
                        (self._config.seed, modality, draw),
                        self._sites,
                        device,
                    )
                    for draw in range(start, end)
                ],
                dim=2 if self._sites else 0,
            )
            for modality in self._longest
        }
