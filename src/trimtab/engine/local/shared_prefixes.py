"""The prefixes of a run's groups: computed with the first batch that needs them, and held for the next one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicLayer

from trimtab.engine.encoded import Encoded
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.planning import Group
from trimtab.engine.local.prefix import Prefix, prefill
from trimtab.engine.local.shared_cache import Held
from trimtab.models import Model


class SharedPrefixes:
    """Prefixes of groups of rows.

    Of groups that begin alike, the longest prefix is computed alone: the shorter ones are its first tokens. A group
    whose rows do not fit into one batch finds its prefix again in the next.
    """

    def __init__(self, model: Model, prompts: Sequence[Encoded], deepest: int | None) -> None:
        """Begin without any.

        Args:
            model: The model.
            prompts: The prompt of each row of the run.
            deepest: See ``prefill``.
        """
        self._model, self._prompts, self._deepest = model, prompts, deepest
        self.forget()

    def forget(self) -> None:
        """Let go of what is held."""
        self._held: Prefix | None = None
        self._pieces: list[Piece] = []

    def of(self, groups: Sequence[Group]) -> tuple[Prefix, int]:
        """Return the prefix of each group's rows, a row for each, and how many tokens were computed for them."""
        needed = {id(group): Piece(self._prompts[group.rows[0]], 0, group.shared) for group in groups}
        computed = self._hold(self._longest(list(needed.values())))
        assert self._held is not None
        places = {key: self._place(self._pieces, piece) for key, piece in needed.items()}
        return _cut(self._held, [places[id(group)] for group in groups], [group.shared for group in groups]), computed

    def _hold(self, pieces: list[Piece]) -> int:
        """Compute what is not held of some pieces, and hold these alone; return how many tokens were computed."""
        known = [piece for piece in pieces if self._place(self._pieces, piece) >= 0]
        if len(known) == len(pieces):
            return 0
        if self._model.recurrent:  # states are not joined
            known = []
        places = [self._place(self._pieces, piece) for piece in known]
        kept = _chosen(self._held, places) if self._held is not None and places else None
        kept_pieces = [self._pieces[place] for place in places]
        self.forget()
        new = [piece for piece in pieces if not any(piece is one for one in known)]
        made = prefill(self._model, new, self._deepest)
        self._held = made if kept is None else _joined(kept, made)
        self._pieces = [*kept_pieces, *new]
        return sum(piece.end for piece in new)

    def _longest(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Leave out pieces that others begin with."""
        found: list[Piece] = []
        for piece in sorted(pieces, key=lambda piece: -piece.end):
            if self._place(found, piece) < 0:
                found.append(piece)
        return [piece for piece in pieces if any(piece is one for one in found)]

    def _place(self, pieces: Sequence[Piece], wanted: Piece) -> int:
        """Return the place of the first piece that begins with one that is wanted; -1 if there is none."""
        exactly = self._model.recurrent  # where layers carry a state, it has seen all of a prefix
        return next((place for place, piece in enumerate(pieces) if _begins(piece, wanted, exactly)), -1)


def _begins(piece: Piece, wanted: Piece, exactly: bool) -> bool:
    """Whether the first tokens of a piece, or exactly its tokens, are those of another."""
    if piece.end < wanted.end or (exactly and piece.end != wanted.end):
        return False
    if piece.prompt is wanted.prompt:
        return True
    if [m.key for m in piece.prompt.media] != [m.key for m in wanted.prompt.media]:
        return False
    return torch.equal(piece.prompt.ids[: wanted.end], wanted.prompt.ids[: wanted.end])


def _chosen(prefix: Prefix, places: Sequence[int]) -> Prefix:
    """Return copies of some of the prefixes, so that the others can be let go of."""
    at = torch.tensor(places, dtype=torch.long, device=prefix.mask.device)
    return Prefix(
        tuple(_layer(*(own[at.to(own.device)] for own in _both(layer))) for layer in prefix.held),
        prefix.mask[at],
        prefix.index[at],
    )


def _joined(first: Prefix, second: Prefix) -> Prefix:
    """Return the prefixes of both, padded on the left to one length."""
    length = max(first.length, second.length)
    layers = []
    for pair in zip(first.held, second.held, strict=True):
        one, other = (tuple(_padded(own, length, 0, -2) for own in _both(layer)) for layer in pair)
        layers.append(_layer(torch.cat([one[0], other[0]]), torch.cat([one[1], other[1]])))
    mask, index = (
        torch.cat([_padded(getattr(first, name), length, fill, -1), _padded(getattr(second, name), length, fill, -1)])
        for name, fill in (("mask", 0), ("index", -1))
    )
    return Prefix(tuple(layers), mask, index)


def _both(layer: Held) -> tuple[Tensor, Tensor]:
    assert isinstance(layer, DynamicLayer)
    assert layer.keys is not None
    assert layer.values is not None
    return layer.keys, layer.values


def _layer(keys: Tensor, values: Tensor) -> DynamicLayer:
    layer = DynamicLayer()
    layer.lazy_initialization(keys, values)
    layer.keys, layer.values = keys, values
    return layer


def _padded(states: Tensor, length: int, fill: int, axis: int) -> Tensor:
    """Pad on the left along the last axis or the one before it."""
    short = length - states.shape[axis]
    return nn.functional.pad(states, (0,) * (2 * (-1 - axis)) + (short, 0), value=fill)


def _cut(prefix: Prefix, places: Sequence[int], ends: Sequence[int]) -> Prefix:
    """Return a prefix with some of the rows, each only up to its first tokens; what lies beyond becomes padding."""
    found = prefix.rows(list(places))
    beyond = found.index >= torch.tensor(ends, device=found.index.device)[:, None]
    if not beyond.any():
        return found
    return Prefix(found.held, found.mask.masked_fill(beyond, 0), found.index.masked_fill(beyond, -1), found.owner)
