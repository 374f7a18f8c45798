"""One decoding step after another, from the caches that a batch's tails left."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor

from trimtab.engine.local.hooks import EditSession
from trimtab.engine.local.row_batch import RowBatch, Tails
from trimtab.engine.local.session import engine_drives
from trimtab.engine.local.shared_attention import attending
from trimtab.models import Model


class Step:
    """One decoding step of a batch: feeds the newest token of each row, returns the logits of the next."""

    def __init__(self, model: Model, batch: RowBatch, session: EditSession, tails: Tails) -> None:
        assert tails.cache is not None
        self.model = model
        self.session = session
        self.cache = tails.cache
        self.mask = tails.mask
        self.position = torch.stack([t.prompt.positions.max() for t in batch.tails])
        self.axes = len(batch.tails[0].prompt.positions)
        self.index = session.place.lengths - 1

    def narrow(self, kept: Tensor) -> None:
        """Go on with some of the rows only."""
        self.cache.reorder_cache(cast(torch.LongTensor, kept))
        self.mask, self.position, self.index = self.mask[kept], self.position[kept], self.index[kept]
        self.session.narrow(kept)

    def __call__(self, token: Tensor) -> Tensor:
        """Feed each row's newest token, ``(rows,)``; return the logits of the next, ``(rows, vocabulary)``."""
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(token), 1)], dim=1)
        self.position, self.index = self.position + 1, self.index + 1
        self.session.advance(self.index[:, None])
        positions = self.position[None, :, None].expand(self.axes, -1, -1)
        with engine_drives(self.model), attending(self.model, self.cache):
            embeds = self.model.embed_ids(token)[:, None]
            hidden = self.model.decode(embeds, self.mask, positions, self.cache, extras={"ids": token[:, None]})
        return self.model.logits(hidden[:, -1])
