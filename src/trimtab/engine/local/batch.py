"""Rows padded on the left into one batch, with every token's place known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engine.encoded import Encoded
from trimtab.models import Model


@dataclass(frozen=True, eq=False)
class Piece:
    """Tokens ``start`` to ``end`` of a prompt."""

    prompt: Encoded
    start: int
    end: int


@dataclass(frozen=True, eq=False)
class Batch:
    """Pieces of prompts, padded on the left.

    Attributes:
        embeds: Input embeddings, ``(rows, length, hidden)``.
        mask: 1 at tokens, 0 at padding, ``(rows, length)``.
        positions: Rotary positions, ``(axes, rows, length)``.
        index: Token index in its own prompt, -1 at padding, ``(rows, length)``.
    """

    embeds: Tensor
    mask: Tensor
    positions: Tensor
    index: Tensor


def collate(model: Model, pieces: Sequence[Piece]) -> Batch:
    """Embed pieces of prompts and pad them on the left to one length."""
    shown = [medium for p in pieces if _shows(model, p) for medium in p.prompt.media]
    # All at once, and held here: a model remembers only as many as fit.
    encoded = dict(zip((m.key for m in shown), model.embed_media(shown), strict=True))
    length = max(p.end - p.start for p in pieces)
    axes, device = len(pieces[0].prompt.positions), model.device
    embeds = torch.zeros(len(pieces), length, model.hidden_size, device=device, dtype=model.dtype)
    positions = torch.zeros(axes, len(pieces), length, device=device, dtype=torch.long)
    index = torch.full((len(pieces), length), -1, device=device)
    for row, piece in enumerate(pieces):
        pad = length - (piece.end - piece.start)
        embeds[row, pad:] = _embed(model, piece, encoded)
        positions[:, row, pad:] = piece.prompt.positions[:, piece.start : piece.end]
        index[row, pad:] = torch.arange(piece.start, piece.end, device=device)
    return Batch(embeds, (index >= 0).long(), positions, index)


def _embed(model: Model, piece: Piece, encoded: Mapping[str, Tensor]) -> Tensor:
    """Embed a piece; media are only looked up when the piece holds some of their positions."""
    prompt = piece.prompt
    if not _shows(model, piece):
        return model.embed(prompt.ids[piece.start : piece.end], [])
    return model.embed(prompt.ids, prompt.media, encoded)[piece.start : piece.end]


def _shows(model: Model, piece: Piece) -> bool:
    """Return whether a piece holds positions of a medium."""
    return bool(model.media_positions(piece.prompt.ids[piece.start : piece.end]).any())
