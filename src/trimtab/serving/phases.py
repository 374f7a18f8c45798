"""What a token of a request is, as far as rules of positions tell tokens apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache

import numpy as np

from trimtab.engine import AddVector, Places, Positions, ReplaceHeads, ScaleHeads

PROMPT, NAMED, LAST, NAMED_LAST, GENERATED = range(5)
"""A token of the prompt; one of the question or the instruction; the last one of the prompt; both; a generated one."""
PHASES = 5

_EVERY, _LAST, _NAMED = frozenset(range(PHASES)), frozenset({LAST, NAMED_LAST}), frozenset({NAMED, NAMED_LAST})
_OF_POSITIONS: dict[Positions, frozenset[int]] = {
    "all": _EVERY,
    "from_last_prompt": _LAST | {GENERATED},
    "last_prompt": _LAST,
    "generated_only": frozenset({GENERATED}),
}
_OF_PLACES: dict[str | int, frozenset[int]] = {
    "all": _EVERY,
    "last": _LAST,
    "generated": frozenset({GENERATED}),
    "question": _NAMED,
    "instruction": _NAMED,
}

Span = tuple[int, int]
"""A token index, and the one after the last."""


def phases_of(edit: AddVector | ScaleHeads | ReplaceHeads) -> frozenset[int] | None:
    """Return the phases whose tokens an edit touches; None where it names other places."""
    return _OF_POSITIONS[edit.positions] if isinstance(edit, AddVector) else _of_places(edit.at)


@cache
def _of_places(places: Places) -> frozenset[int] | None:
    if set(places) - set(_OF_PLACES):
        return None
    return frozenset().union(*(_OF_PLACES[place] for place in places))


def first_of(begins: int, length: int, named: Sequence[Span]) -> int:
    """Return the index of the first token that an edit touches.

    Args:
        begins: The earliest of its phases.
        length: Tokens of the prompt.
        named: Where the question and the instruction are.
    """
    if begins == NAMED:
        return min(first for first, _end in named)
    return {PROMPT: 0, GENERATED: length}.get(begins, length - 1)


class Layout:
    """The phases of a request's tokens.

    Attributes:
        length: Tokens of its prompt.
    """

    def __init__(self, length: int, named: Iterable[Span] = ()) -> None:
        self.length = length
        self._prompt = np.full(length, PROMPT, dtype=np.int64)
        for first, end in named:
            self._prompt[first:end] = NAMED
        self._prompt[-1] = NAMED_LAST if self._prompt[-1] == NAMED else LAST

    def phases(self, first: int, end: int) -> np.ndarray | int:
        """Return the phases of tokens ``first`` to ``end``; one number if they are all generated."""
        if first >= self.length:
            return GENERATED
        later = np.full(max(0, end - self.length), GENERATED, dtype=np.int64)
        return np.concatenate([self._prompt[first:end], later])

    def counts(self, first: int, end: int) -> np.ndarray:
        """Return how many tokens of ``first`` to ``end`` are of each phase."""
        found = np.bincount(self._prompt[first:end], minlength=PHASES)
        found[GENERATED] = max(0, end - max(first, self.length))
        return found
