"""Standard normal numbers that depend on a key and a place alone, and the draws of a whole measurement."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from trimtab.engine.local.whitebox import rows_within
from trimtab.modalities import Modality
from trimtab.models import Model

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS

BLOCK = 64
"""Tokens whose numbers are drawn together."""

ROOM = 128
"""Tokens by which pools grow, so that items of like length find theirs remembered."""
REMEMBERED = 2**28
"""Bytes of noise that are remembered between measurements at most."""

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
    found = torch.empty(*sites, tokens, width, device=device)
    draw_into(found, key)
    return found


def draw_into(found: Tensor, key: Key) -> None:
    """Draw numbers as ``standard_normal`` does, into a tensor ``(*sites, tokens, width)``."""
    *sites, tokens, width = found.shape
    block = found.new_empty(*sites, BLOCK, width)  # small, and used again and again: fresh memory costs as much
    for number, start in enumerate(range(0, tokens, BLOCK)):
        digest = hashlib.sha256(json.dumps([*key, number]).encode()).digest()
        generator = torch.Generator(found.device).manual_seed(int.from_bytes(digest[:7], "big"))
        block.normal_(generator=generator)
        found[..., start : start + BLOCK, :] = block[..., : tokens - start, :]


class NoisePool:
    """The draws of one measurement, which all its items, sigmas and generated steps share.

    They are kept if memory allows, and else drawn again, a few at a time, for each batch of items.

    Attributes:
        longest: Tokens of each modality that have noise.
        draws_at_once: How many draws are in memory together.
    """

    def __init__(self, model: Model, config: MCS, longest: Mapping[Modality, int], most_draws: int) -> None:
        """Draw nothing yet.

        Args:
            model: The model.
            config: Says of the noise where it goes, how often it is drawn, and its seed.
            longest: Tokens of each modality.
            most_draws: How many draws may be in memory together.
        """
        self.longest, self._noise = longest, Drawn.of(model, config)
        # The pool may take a quarter of what batches may plan for.
        fit = rows_within(model, 4 * self._noise.bytes_of(longest))
        self.draws_at_once = min(config.draws, most_draws, fit)
        self._kept: Draws | None = None

    def chunks(self) -> Iterator[Draws]:
        """Yield all draws, as many at a time as fit."""
        draws = self._noise.draws
        if self.draws_at_once == draws:
            if self._kept is None:
                self._kept = self._noise.draw(self.longest, 0, draws)
            yield self._kept
            return
        for start in range(0, draws, self.draws_at_once):
            yield self._noise.draw(self.longest, start, min(start + self.draws_at_once, draws))

    @property
    def worth_remembering(self) -> bool:
        """Whether all draws are kept, and small."""
        return self.draws_at_once * self._noise.bytes_of(self.longest) <= REMEMBERED and self._kept is not None

    def serves(self, model: Model, config: MCS, longest: Mapping[Modality, int], most_draws: int) -> bool:
        """Whether the pool is what a new one would be: what came before it then does not show in the last bits."""
        asked = Drawn.of(model, config), list(longest.items())
        return (self._noise, list(self.longest.items())) == asked and self.draws_at_once <= most_draws


_LAST: WeakKeyDictionary[Model, NoisePool] = WeakKeyDictionary()


@contextmanager
def noise_pool(model: Model, config: MCS, longest: Mapping[Modality, int], most_draws: int) -> Iterator[NoisePool]:
    """Have a pool inside the block: the last one of the model if it has what is asked for, or else a new one.

    Small ones are remembered for the next measurement: on a CPU, drawing takes as long as half a pass over a prompt.
    """
    roomy: dict[Modality, int] = {m: -(-tokens // ROOM) * ROOM for m, tokens in longest.items()}
    pool = _LAST.pop(model, None)
    if pool is None or not pool.serves(model, config, roomy, most_draws):
        pool = NoisePool(model, config, roomy, most_draws)
    yield pool
    if pool.worth_remembering:
        _LAST[model] = pool


@dataclass(frozen=True)
class Drawn:
    """What draws are, but for how many tokens they have."""

    seed: int
    draws: int
    sites: tuple[int, ...]
    width: int
    device: torch.device

    @classmethod
    def of(cls, model: Model, config: MCS) -> Drawn:
        """Say it of a configuration's noise."""
        if config.site == "embeddings":
            return cls(config.seed, config.draws, (), model.hidden_size, model.device)
        sites = (model.n_layers, 2, model.text_config.num_key_value_heads)
        return cls(config.seed, config.draws, sites, model.head_dim, model.device)

    def bytes_of(self, longest: Mapping[Modality, int]) -> int:
        """Return how many bytes a draw takes."""
        return 4 * sum(longest.values()) * self.width * math.prod(self.sites)

    def draw(self, longest: Mapping[Modality, int], start: int, end: int) -> Draws:
        """Draw the draws from one to another."""
        axis, found = (2 if self.sites else 0), {}
        for modality, tokens in longest.items():
            shape = [*self.sites, tokens, self.width]
            shape.insert(axis, end - start)
            found[modality] = torch.empty(shape, device=self.device)
            for draw in range(start, end):
                draw_into(found[modality].select(axis, draw - start), (self.seed, modality, draw))
        return found
