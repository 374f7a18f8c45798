"""Which token every position of a forward pass is: the common currency of prompts, caches, padding and edits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from trimtab.engine.edits.places import Resolved


@dataclass(frozen=True, eq=False)
class Place:
    """Which token every position of the current forward pass is.

    Attributes:
        index: Token index in its own row, -1 at padding, ``(rows, length)``. Generated tokens go on counting.
        lengths: Prompt length of each row, ``(rows,)``.
        keys: The same indices for all that this pass can attend to, cached and new, ``(rows, cached + length)``.
        fresh: False at tokens that an earlier pass computed too, ``(rows, length)``; None if there are none.
        mask: At attention scores, the layer's own mask, added to them; None is the causal one. See ``seen_keys``.
        entered: Where layers are skipped, what came into the layer, ``(rows, length, hidden)``.
    """

    index: Tensor
    lengths: Tensor
    keys: Tensor
    fresh: Tensor | None = None
    mask: Tensor | None = None
    entered: Tensor | None = None

    def of(self, queries: slice) -> Place:
        """Return the place of some of the positions; what they can attend to stays the same tensor."""
        fresh = None if self.fresh is None else self.fresh[:, queries]
        return replace(self, index=self.index[:, queries], fresh=fresh)

    @property
    def is_last_prompt(self) -> Tensor:
        """True at each row's last prompt token, ``(rows, length)``."""
        return self.index == self.lengths[:, None] - 1


class TokenSets:
    """For each of several rows a set of its tokens, looked up by token index."""

    def __init__(self, sets: Sequence[Resolved]) -> None:
        device, longest = sets[0].prompt.device, max(len(s.prompt) for s in sets)
        # One more column than the longest prompt: what is generated, and what lies beyond shorter prompts.
        self._table = torch.zeros(len(sets), longest + 1, dtype=torch.bool, device=device)
        for row, found in enumerate(sets):
            self._table[row, : len(found.prompt)] = found.prompt
            self._table[row, len(found.prompt) :] = found.generated

    def holds(self, index: Tensor) -> Tensor:
        """Say of token indices ``(rows, positions)`` which belong to their row's set; padding (-1) never does."""
        columns = index.clamp(0, self._table.shape[1] - 1)
        return self._table.gather(1, columns) & (index >= 0)

    def narrow(self, held: Tensor) -> None:
        """Forget all rows but those where ``held``, ``(rows,)``, is True."""
        self._table = self._table[held]
