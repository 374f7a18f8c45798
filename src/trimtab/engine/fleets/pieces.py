"""Rows cut into pieces of like cost, whatever the number of workers, so that results do not depend on it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from trimtab.engine.contrast import Contrast
from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import Prompt
from trimtab.engine.row import Row
from trimtab.engine.rows import rows_of
from trimtab.media import Picture, medium_kind

CHARACTERS = 4
"""About as many of them are a token."""
PIXELS = 28 * 28
"""About as many of them are a position of a picture."""
POSITIONS = (64, 2048)
"""Fewest and most positions that a medium is taken to have."""
UNOPENED = 576
"""Positions that a medium is taken to have before it is opened."""


def pieces_of(questions: Sequence[Row | Contrast], size: int) -> list[list[int]]:
    """Cut questions into pieces.

    Questions about the same media and context stay together: they share a prefix, and equal ones are told apart by
    their order.

    Args:
        questions: What is asked.
        size: Tokens of a piece, roughly; one that is larger holds questions that stay together.

    Returns:
        The places of each piece's questions, ascending.
    """
    together: dict[object, list[int]] = {}
    costs: dict[object, int] = {}
    known: dict[int, tuple[object, int]] = {}
    for place, question in enumerate(questions):
        rows = rows_of(question)
        for row in rows:
            if id(row.prompt) not in known:
                known[id(row.prompt)] = _looked_at(row.prompt)
        key = known[id(rows[0].prompt)][0]
        together.setdefault(key, []).append(place)
        costs[key] = costs.get(key, 0) + sum(known[id(row.prompt)][1] for row in rows)
    pieces: list[list[int]] = []
    room = 0
    for key, places in together.items():
        if room < costs[key]:
            pieces.append([])
            room = size
        pieces[-1] += places
        room -= costs[key]
    return [sorted(piece) for piece in pieces]


def neighbours(costs: Sequence[int], size: int) -> list[range]:
    """Cut things of some costs into pieces that keep their order.

    Args:
        costs: Tokens of each.
        size: Tokens of a piece, roughly; one that costs more is a piece by itself.

    Returns:
        The places of each piece.
    """
    pieces: list[range] = []
    room = 0
    for place, cost in enumerate(costs):
        if room < cost:
            pieces.append(range(place, place))
            room = size
        pieces[-1] = range(pieces[-1].start, place + 1)
        room -= cost
    return pieces


def tokens_of(texts: Iterable[str], media: int) -> int:
    """Return about how many tokens some texts have, and media that nobody has opened."""
    return sum(map(len, texts)) // CHARACTERS + UNOPENED * media


def _looked_at(prompt: Prompt | Encoded) -> tuple[object, int]:
    """Return what tells a prompt from those that it shares nothing with, and about how many tokens it has."""
    if isinstance(prompt, Encoded):
        shown = tuple(medium.key for medium in prompt.media)
        return shown or prompt.ids.cpu().numpy().tobytes(), len(prompt)
    keys, tokens = [], len(prompt.body()[0]) // CHARACTERS
    for kind, media in prompt.media.items():
        for medium in media:
            keys.append(medium_kind(kind).fingerprint(medium))
            tokens += _positions(medium)
    return (*keys, prompt.context) if keys or prompt.context else prompt.question, tokens


def _positions(medium: object) -> int:
    least, most = POSITIONS
    if isinstance(medium, Picture):
        return min(max(least, medium.width * medium.height // PIXELS), most)
    return most
