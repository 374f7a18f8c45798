"""Edits of one kind at one layer over several rows, applied as one tensor operation."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor

from trimtab.engine.edits import (
    AddVector,
    BlockAttention,
    Edit,
    HeadEdit,
    Predictor,
    ReplaceHeads,
    ScaleHeads,
    covered,
    resolve,
)
from trimtab.engine.encoded import Encoded
from trimtab.engine.local.place import Place, TokenSets
from trimtab.engine.receipt import Entry
from trimtab.errors import NotFiniteError, UsageError
from trimtab.models import Model


class Bundle(ABC):
    """The rows of a batch that have an edit of one kind at one layer.

    Attributes:
        rows: Their numbers in the batch, ascending.
        entry: The receipt's entry for them.
    """

    def __init__(self, rows: Sequence[int], device: torch.device, entry: Entry) -> None:
        self.rows = torch.tensor(rows, device=device)
        self.entry = entry
        self._measured = False
        entry.rows += len(rows)

    @abstractmethod
    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return what the site hands on, with the rows' edits made; the input is left as it is."""

    def narrow(self, kept: Tensor) -> None:
        """Forget all rows but ``kept``, ascending, which are renumbered from 0."""
        held = torch.isin(self.rows, kept)
        self.rows = torch.searchsorted(kept, self.rows[held])
        self.keep(held)

    @abstractmethod
    def keep(self, held: Tensor) -> None:
        """Keep what belongs to the rows where ``held`` is True."""

    def record(self, touched: Tensor, place: Place, sizes: Tensor) -> None:
        """Count the positions touched, ``(rows, length)``, and measure the first pass that touches anything.

        Args:
            touched: Which positions were changed.
            place: Which token each position is.
            sizes: Relative size of the change at every position, the same shape.
        """
        if place.fresh is not None:  # a token computed twice is one token
            touched = touched & place.fresh[self.rows]
            if not touched.any():
                return
        generated = touched & (place.index >= place.lengths[:, None])[self.rows]
        self.entry.generated_positions += int(generated.sum())
        self.entry.prompt_positions += int((touched & ~generated).sum())
        if not self._measured:  # decoding need not repeat it
            self._measured = True
            sizes = sizes[touched]
            if sizes.isinf().any():
                raise NotFiniteError(
                    f"`{self.entry.edit}` at layer {self.entry.layer} must change states by what float32 can hold; the "
                    "change is beyond that; lower the strength."
                )
            self.entry.measure(sizes.tolist())


class VectorBundle(Bundle):
    """``AddVector`` on the outputs of a layer, ``(rows, length, hidden)``."""

    def __init__(
        self, rows: Sequence[int], edits: Sequence[AddVector], prompts: Sequence[Encoded], entry: Entry
    ) -> None:
        device = prompts[0].ids.device
        super().__init__(rows, device, entry)
        self.strengths = torch.tensor([e.strength for e in edits], device=device)
        spans = [covered(e.positions, len(p)) for e, p in zip(edits, prompts, strict=True)]
        self.first, self.end = torch.tensor(spans, device=device).unbind(-1)
        direction = edits[0].direction
        self.predictor = direction.to(device) if isinstance(direction, Predictor) else None
        self.vectors: Tensor | None = None
        if self.predictor is None:
            self.vectors = torch.stack([cast(Tensor, e.direction).to(device, torch.float32) for e in edits])

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the states with the rows' vectors added where the edits say."""
        index = place.index[self.rows]
        touched = (index >= 0) & (index >= self.first[:, None]) & (index < self.end[:, None])
        own = states[self.rows]
        if self.predictor is not None:
            self._predict(own, place.is_last_prompt[self.rows])
        if not touched.any():
            return states
        if self.vectors is None:
            raise UsageError(
                "`prompt` must be computed in one pass where a vector that its last token predicts is added to earlier "
                "ones; the last token has not come yet; leave out prefill_chunk_size, or add the vector at "
                "'from_last_prompt'."
            )
        change = (self.strengths[:, None] * self.vectors)[:, None] * touched[..., None]
        states = states.clone()
        states[self.rows] = own + change.to(states.dtype)
        self.record(touched, place, _relative(change, own))
        return states

    def _predict(self, states: Tensor, is_last: Tensor) -> None:
        """Predict once, when a row's last prompt token passes by, and keep the vector while decoding."""
        assert self.predictor is not None
        if is_last.any():
            self.vectors = self.predictor(states[is_last])

    def keep(self, held: Tensor) -> None:
        """Keep the vectors of some rows."""
        self.strengths, self.first, self.end = self.strengths[held], self.first[held], self.end[held]
        if self.vectors is not None:
            self.vectors = self.vectors[held]


class HeadBundle(Bundle):
    """``ScaleHeads`` and ``ReplaceHeads`` on the outputs of a layer's heads, ``(rows, length, heads, head_dim)``."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[HeadEdit],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        device = prompts[0].ids.device
        super().__init__(rows, device, entry)
        self.tokens = TokenSets([resolve(e.at, p, "at", type(e).__name__) for e, p in zip(edits, prompts, strict=True)])
        self.factors = torch.ones(len(rows), model.n_heads, 1, device=device)
        self.values = torch.zeros(len(rows), model.n_heads, model.head_dim, device=device)
        for row, edit in enumerate(edits):
            heads = list(edit.heads)
            self.factors[row, heads] = edit.factor if isinstance(edit, ScaleHeads) else 0.0
            if isinstance(edit, ReplaceHeads) and edit.values is not None:
                self.values[row, heads] = edit.values.to(device, torch.float32)

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return the outputs with the rows' heads scaled or replaced where the edits say."""
        touched = self.tokens.holds(place.index[self.rows])
        if not touched.any():
            return states
        own = states[self.rows]
        changed = own * self.factors[:, None].to(own.dtype) + self.values[:, None].to(own.dtype)
        changed = torch.where(touched[..., None, None], changed, own)
        states = states.clone()
        states[self.rows] = changed
        self.record(touched, place, _relative((changed - own).flatten(2), own.flatten(2)))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the factors and values of some rows."""
        self.tokens.narrow(held)
        self.factors, self.values = self.factors[held], self.values[held]


class AttentionBundle(Bundle):
    """``BlockAttention`` on which keys each query sees, ``(rows, heads or 1, queries, keys)``, True where it does."""

    def __init__(
        self,
        model: Model,
        rows: Sequence[int],
        edits: Sequence[BlockAttention],
        prompts: Sequence[Encoded],
        entry: Entry,
    ) -> None:
        device = prompts[0].ids.device
        super().__init__(rows, device, entry)
        pairs = list(zip(edits, prompts, strict=True))
        for edit, prompt in pairs:
            edit.reach(prompt)  # refuses a row without an edge to cut
        self.sources = TokenSets([resolve(e.source, p, "source", "BlockAttention") for e, p in pairs])
        self.targets = TokenSets([resolve(e.target, p, "target", "BlockAttention") for e, p in pairs])
        self.heads: Tensor | None = None
        if any(edit.heads is not None for edit in edits):
            self.heads = torch.zeros(len(rows), model.n_heads, dtype=torch.bool, device=device)
            for row, edit in enumerate(edits):
                self.heads[row, list(edit.heads) if edit.heads is not None else slice(None)] = True

    def apply(self, states: Tensor, place: Place) -> Tensor:
        """Return what is seen without the edges that the rows' edits cut."""
        queries, keys = place.index[self.rows], place.keys[self.rows]
        earlier = (keys[:, None] >= 0) & (keys[:, None] < queries[..., None])  # never a token's edge to itself
        cut = self.targets.holds(queries)[..., None] & self.sources.holds(keys)[:, None] & earlier
        touched = cut.any(-1)
        if not touched.any():
            return states
        per_head = cut[:, None] if self.heads is None else cut[:, None] & self.heads[:, :, None, None]
        states = states.expand(-1, max(states.shape[1], per_head.shape[1]), -1, -1).clone()
        states[self.rows] &= ~per_head
        # The size of a cut: the share of the keys before it that a target lost, averaged over heads.
        share = 1.0 if self.heads is None else self.heads.float().mean(-1)[:, None]
        self.record(touched, place, share * cut.sum(-1) / queries.clamp_min(1))
        return states

    def keep(self, held: Tensor) -> None:
        """Keep the edges and heads of some rows."""
        self.sources.narrow(held)
        self.targets.narrow(held)
        if self.heads is not None:
            self.heads = self.heads[held]


def make_bundle(
    model: Model, rows: Sequence[int], edits: Sequence[Edit], prompts: Sequence[Encoded], entry: Entry
) -> Bundle:
    """Make the bundle of edits that are all of one site, one for each row."""
    site = edits[0].site
    if site == "layer":
        return VectorBundle(rows, cast(Sequence[AddVector], edits), prompts, entry)
    if site == "heads":
        return HeadBundle(model, rows, cast(Sequence[HeadEdit], edits), prompts, entry)
    return AttentionBundle(model, rows, cast(Sequence[BlockAttention], edits), prompts, entry)


def _relative(change: Tensor, states: Tensor) -> Tensor:
    """Return ``|change| / |state|`` at every position."""
    return change.float().norm(dim=-1) / states.float().norm(dim=-1).clamp_min(1e-12)
