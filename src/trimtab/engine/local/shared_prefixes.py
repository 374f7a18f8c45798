"""The prefixes of a run's groups: computed with the first batch that needs them, and held for the next one."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from trimtab.engine.encoded import Encoded
from trimtab.engine.local.batch import Piece
from trimtab.engine.local.planning import Group
from trimtab.engine.local.prefix import Prefix, prefill
from trimtab.models import Model


class SharedPrefixes:
    """Prefixes of groups of rows.

    Of groups with equal prompts, the longest prefix is computed alone: the shorter ones are its first tokens. Groups
    whose rows do not fit into one batch find their prefixes again in the next; where that needs others beside, it
    computes all of its own, so that what a prefix is computed with depends on its batch alone.
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
        longest = self._longest(list(needed.values()))
        computed = 0
        if self._held is None or any(self._place(self._pieces, piece) < 0 for piece in longest):
            self.forget()
            self._held, self._pieces = prefill(self._model, longest, self._deepest), longest
            computed = sum(piece.end for piece in longest)
        places = {key: self._place(self._pieces, piece) for key, piece in needed.items()}
        return _cut(self._held, [places[id(group)] for group in groups], [group.shared for group in groups]), computed

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
    """Whether a piece begins with another of an equal prompt, or exactly is it."""
    if piece.end < wanted.end or (exactly and piece.end != wanted.end):
        return False
    one, other = piece.prompt, wanted.prompt
    return one is other or (
        [m.key for m in one.media] == [m.key for m in other.media] and torch.equal(one.ids, other.ids)
    )


def _cut(prefix: Prefix, places: Sequence[int], ends: Sequence[int]) -> Prefix:
    """Return a prefix with some of the rows, each only up to its first tokens; what lies beyond becomes padding."""
    found = prefix.rows(list(places))
    beyond = found.index >= torch.tensor(ends, device=found.index.device)[:, None]
    if not beyond.any():
        return found
    return Prefix(found.held, found.mask.masked_fill(beyond, 0), found.index.masked_fill(beyond, -1), found.owner)
