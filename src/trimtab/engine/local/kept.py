"""What is kept of rows that are answered, beside their tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass
class Kept:
    """What is kept, by the rows' numbers.

    Attributes:
        broken: Rows whose edits left no finite logits; None if such rows are errors.
        first: Logits of each first token; None if they are not wanted.
    """

    broken: set[int] | None
    first: dict[int, Tensor] | None

    def keep(self, numbers: Sequence[int], logits: Tensor) -> None:
        """Keep the logits of some rows' first tokens, ``(rows, vocabulary)``, if they are wanted."""
        if self.first is not None:
            self.first.update(zip(numbers, logits.float().cpu(), strict=True))

    @property
    def logits(self) -> Tensor | None:
        """The logits of all first tokens, in the order of the rows' numbers, from 0."""
        return None if self.first is None else torch.stack([self.first[number] for number in range(len(self.first))])
