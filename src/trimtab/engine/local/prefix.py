"""The shared part of many questions, computed once: what layers keep of a batch of prompt prefixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from trimtab.engine.local.batch import Piece, collate
from trimtab.engine.local.reading import StopForward
from trimtab.engine.local.session import engine_drives
from trimtab.engine.local.shared_cache import Held, continued
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Prefix:
    """What layers keep of prompt prefixes, padded on the left; never changed in place.

    Attributes:
        held: For each layer keys and values ``(prefixes, kv_heads, length, head_dim)``, rotary positions already
            applied, or the state that it carries.
        mask: 1 at tokens, 0 at padding, ``(rows, length)``.
        index: Token index in its own prompt, -1 at padding, ``(rows, length)``.
        owner: Which prefix each row has, ``(rows,)``; None for one row each, in order.
    """

    held: tuple[Held, ...]
    mask: Tensor
    index: Tensor
    owner: Tensor | None = None

    @property
    def length(self) -> int:
        """Positions, padding included."""
        return self.mask.shape[1]

    def rows(self, which: Sequence[int] | Tensor) -> Prefix:
        """Return a prefix with these rows, repeats allowed; what is held is shared, not copied."""
        at = torch.as_tensor(which, device=self.mask.device)
        owner = at if self.owner is None else self.owner[at]
        return Prefix(self.held, self.mask[at], self.index[at], owner)

    def cache(self, whole: bool = True) -> DynamicCache:
        """Return a fresh cache to continue from; the prefix itself stays as it is.

        Args:
            whole: See ``SharedLayer``.
        """
        owner = torch.arange(len(self.mask), device=self.mask.device) if self.owner is None else self.owner
        cache = DynamicCache()
        cache.layers.extend(continued(layer, owner, whole) for layer in self.held)
        return cache


def prefill(model: Model, pieces: Sequence[Piece], deepest: int | None = None) -> Prefix:
    """Compute unedited prompt prefixes.

    Args:
        model: The model.
        pieces: One for each row; each starts at its prompt's first token.
        deepest: The last layer that rows will go through; left out, the model's last. What comes after its keys and
            values nobody reads.

    Returns:
        The prefixes, padded on the left to one length.
    """
    batch = collate(model, pieces)
    cache = model.family.cache(model.hf)
    last = model.n_layers - 1 if deepest is None else deepest
    with engine_drives(model), _stopping_in(model, last):
        model.decode(batch.embeds, batch.mask, batch.positions, cache, extras=batch.extras)
    layers = cache.layers[: last + 1]
    held = tuple(layer for layer in layers if isinstance(layer, Held))
    assert len(held) == len(layers)
    return Prefix(held, batch.mask, batch.index)


@contextmanager
def _stopping_in(model: Model, layer: int) -> Iterator[None]:
    """End the forward pass inside the block in a layer, once its keys and values are known, or its state."""

    def stop(*_: object) -> None:
        raise StopForward

    outputs: nn.Module | None = model.head_outputs.get(layer)
    if outputs is None:
        handle = model.layers[layer].register_forward_hook(stop)
    else:
        handle = outputs.register_forward_pre_hook(stop)
    try:
        with suppress(StopForward):
            yield
    finally:
        handle.remove()
