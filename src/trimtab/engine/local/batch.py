"""Rows padded on the left into one batch, with every token's place known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from trimtab.engine.encoded import Encoded
from trimtab.errors import UnsupportedMethodError
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
        extras: What the family's decoder needs beside these; see ``Model.decode``.
    """

    embeds: Tensor
    mask: Tensor
    positions: Tensor
    index: Tensor
    extras: Mapping[str, Tensor]


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
    return Batch(embeds, (index >= 0).long(), positions, index, _extras(model, pieces, encoded, length))


def _embed(model: Model, piece: Piece, encoded: Mapping[str, Tensor]) -> Tensor:
    """Embed a piece; media are only looked up when the piece holds some of their positions."""
    prompt = piece.prompt
    if not _shows(model, piece):
        return model.embed(prompt.ids[piece.start : piece.end], [])
    return model.embed(prompt.ids, prompt.media, encoded)[piece.start : piece.end]


def _shows(model: Model, piece: Piece) -> bool:
    """Return whether a piece holds positions of a medium."""
    return bool(model.media_positions(piece.prompt.ids[piece.start : piece.end]).any())


def _extras(model: Model, pieces: Sequence[Piece], encoded: Mapping[str, Tensor], length: int) -> dict[str, Tensor]:
    """Return what the family needs of each token beside its embedding, cut and padded as the pieces are.

    Raises:
        UnsupportedMethodError: A prompt was made without its blocks.
    """
    if not model.needs_extras:
        return {}
    rows = []
    for piece in pieces:
        prompt, media = piece.prompt, piece.prompt.media if _shows(model, piece) else ()
        if model.mask_rule != "causal" and prompt.blocks is None:
            raise UnsupportedMethodError(
                f"`blocks` of a prompt must be given for family {model.family.name}, whose tokens see each other; what "
                f"was asked of {model.name} does not keep them; use trimtab.run or trimtab.generate."
            )
        whole = model.extras(prompt.ids, media, encoded, prompt.blocks)
        rows.append({name: values[piece.start : piece.end] for name, values in whole.items()})
    names = {name: values for row in rows for name, values in row.items()}
    fills = {name: -1 if name == "blocks" else 0 for name in names}
    return {n: _padded([row.get(n) for row in rows], length, like, fills[n]) for n, like in names.items()}


def _padded(rows: Sequence[Tensor | None], length: int, like: Tensor, fill: int) -> Tensor:
    """Pad tensors ``(tokens, ...)`` on the left and stack them; rows without one are all padding."""
    whole = like.new_full((len(rows), length, *like.shape[1:]), fill)
    for row, own in enumerate(rows):
        if own is not None:
            whole[row, length - len(own) :] = own
    return whole
