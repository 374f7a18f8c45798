"""Rows of one batch, and the forward pass over what is left to compute of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from transformers import DynamicCache

from trimtab.engine.edits import Edit
from trimtab.engine.local.batch import Batch, Piece, collate
from trimtab.engine.local.hooks import EditSession
from trimtab.engine.local.prefix import Prefix
from trimtab.engine.local.session import engine_drives
from trimtab.engine.local.shared_attention import attending, cache_of
from trimtab.engine.receipt import Receipt
from trimtab.models import Model


@dataclass(eq=False)
class RowBatch:
    """Rows ready for one forward pass over their tails.

    Attributes:
        rows: Their places among the rows at work.
        numbers: The places of their questions in what was asked, for errors.
        tails: What is left to compute of each.
        prefix: Their cached prefixes, a row for each, or None.
        edits: Each row's edits.
        collated: The tails as they go into the model, where they are kept from pass to pass; None makes them anew.
        prefilled: Tokens computed for the prefixes.
        passes: Forward passes that were made for it.
        receipts: What the edits touched, by an edit's place in its row's list of edits.
    """

    rows: list[int]
    numbers: list[int]
    tails: list[Piece]
    prefix: Prefix | None
    edits: list[tuple[Edit, ...]]
    collated: Batch | None = None
    prefilled: int = 0
    passes: int = 0
    receipts: defaultdict[int, Receipt] = field(default_factory=lambda: defaultdict(Receipt))

    def session(self, model: Model, rows: Sequence[int] | None = None) -> EditSession:
        """Make the edits of the batch, or of some of its rows, ready."""
        rows = range(len(self.rows)) if rows is None else rows
        prompts = [self.tails[row].prompt for row in rows]
        return EditSession(model, [self.edits[row] for row in rows], prompts, self.receipts)


@dataclass(frozen=True, eq=False)
class Tails:
    """The end of a forward pass over a batch.

    Attributes:
        hidden: Normalised hidden states of the tails, padded on the left, ``(rows, length, hidden)``.
        mask: 1 at tokens of prefix and tail, ``(rows, prefix + length)``.
        cache: Keys and values of all of them, to decode from; None if neither shared nor asked for.
    """

    hidden: Tensor
    mask: Tensor
    cache: DynamicCache | None


def forward_tails(model: Model, batch: RowBatch, session: EditSession, keep_cache: bool) -> Tails:
    """Run the tails of a batch after their prefixes; the caller has attached the session."""
    tails = batch.collated or collate(model, batch.tails)
    mask, cache = tails.mask, model.family.cache(model.hf) if keep_cache else None
    if batch.prefix is not None:
        cache = cache_of(model, batch.prefix, batch.tails)
        mask = torch.cat([batch.prefix.mask, mask], dim=1)
    session.advance(tails.index, None if batch.prefix is None else batch.prefix.index)
    with engine_drives(model), attending(model, cache):
        hidden = model.decode(tails.embeds, mask, tails.positions, cache, extras=tails.extras)
    return Tails(hidden, mask, cache)
