"""What kernels of attention scores have in common."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

import torch
from torch import Tensor

from trimtab.engine.edits import LinearScoreEdit, ScoreEdit, resolve
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.kernels.kernel import Kernel
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.models import Model

AnyScoreEdit = TypeVar("AnyScoreEdit", bound=ScoreEdit)
AnyLinearEdit = TypeVar("AnyLinearEdit", bound=LinearScoreEdit)


class ScoreKernel(Kernel[AnyScoreEdit]):
    """Score edits of one kind at one layer, ``(rows, heads, queries, keys)``."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AnyScoreEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        pairs = list(zip(edits, prompts, strict=True))
        owner = type(edits[0]).__name__
        self.sources = TokenSets([resolve(e.source, p, "source", owner) for e, p in pairs])
        self.targets = TokenSets([resolve(e.target, p, "target", owner) for e, p in pairs])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the scores with the rows' edges changed."""
        queries, keys = place.index[self.rows], place.keys[self.rows]
        looks = self.targets.holds(queries)
        if not looks.any():
            return states
        own = states[self.rows]
        change, edges = self.change(own, queries, keys, place)
        touched = looks & edges.any(-1)
        if not touched.any():
            return states
        change = change.masked_fill(~looks[:, None, :, None], 0.0)
        states = states.clone()
        states[self.rows] = own + change.to(own.dtype)
        # The size of an edit: what it added to a query's scores, beside their own size, averaged over heads.
        size = change.norm(dim=-1) / own.norm(dim=-1).clamp_min(1e-12)
        self.record(touched, place, size.float().mean(1))
        return states

    @abstractmethod
    def change(self, scores: Tensor, queries: Tensor, keys: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Return what to add to the scores, and which edges that concerns, ``(rows, queries, keys)``."""

    def keep(self, held: Tensor) -> None:
        """Keep the edges of some rows."""
        self.sources.narrow(held)
        self.targets.narrow(held)


class LinearScoreKernel(ScoreKernel[AnyLinearEdit]):
    """Scores plus multiples of their sizes and of themselves."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[AnyLinearEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        super().__init__(model, rows, edits, prompts, entry)
        self.factors = torch.tensor([e.change() for e in edits], device=self.rows.device)

    def change(self, scores: Tensor, queries: Tensor, keys: Tensor, place: Place) -> tuple[Tensor, Tensor]:
        """Return multiples of the scores' sizes and of themselves."""
        edges = self.sources.holds(keys)[:, None].expand(-1, queries.shape[1], -1)
        by_size, by_score = self.factors.to(scores.dtype).T[:, :, None, None, None]
        return (by_size * scores.abs() + by_score * scores) * edges[:, None], edges

    def keep(self, held: Tensor) -> None:
        """Keep the edges and factors of some rows."""
        super().keep(held)
        self.factors = self.factors[held]
