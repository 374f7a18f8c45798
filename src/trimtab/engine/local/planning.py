"""Which rows may share which prefix: what causality allows, and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from trimtab.engine.encoded import Encoded
from trimtab.engine.prompt import PARTS_OF
from trimtab.modalities import SHOWN
from trimtab.models import cut_before

EVIDENCE = tuple(span for spans in PARTS_OF.values() for span in spans)
"""The spans that rows must have in common to share a prefix."""


@dataclass(frozen=True)
class Group:
    """Rows whose first ``shared`` tokens are equal, unedited and unread; 0 means nothing is shared."""

    rows: tuple[int, ...]
    shared: int


def plan(prompts: Sequence[Encoded], limits: Sequence[int], equal_lengths: bool = False) -> list[Group]:
    """Group rows by the prefix they can share.

    Rows belong together when their media and their tokens up to the end of the context are equal. Of a group, the
    longest common run of tokens is shared, cut before the first token that any of its rows edits or reads, and never
    inside a block of tokens that see each other. Rows that edit or read their media or context share what comes before
    that with their like. Groups with equal media that differ in what follows share the media, where that computes less.

    Args:
        prompts: The rows' prompts.
        limits: For each row, the first token index that must be computed with that row's edits.
        equal_lengths: Whether only rows of one length may share a prefix.

    Returns:
        Groups that cover every row once, in order of first appearance.
    """
    buckets: dict[tuple, list[int]] = {}
    for row, (prompt, limit) in enumerate(zip(prompts, limits, strict=True)):
        natural, limit = _natural_prefix(prompt), cut_before(prompt.blocks, limit)
        media = tuple(m.key for m in prompt.media)
        key: tuple = (media, _digest(prompt, natural))
        if limit < natural:  # edited or read in its media or context: shares only what comes before
            key = (media, limit, _digest(prompt, limit)) if limit else (row,)
        buckets.setdefault((key, len(prompt) if equal_lengths else 0), []).append(row)
    groups = [group for rows in buckets.values() for group in _cheapest(prompts, limits, rows)]
    families: dict[tuple, list[Group]] = {}
    for group in groups:
        families.setdefault(_family(prompts, limits, group, equal_lengths), []).append(group)
    return [group for family in families.values() for group in _joined(prompts, limits, family)]


def _family(prompts: Sequence[Encoded], limits: Sequence[int], group: Group, equal_lengths: bool) -> tuple:
    """Return what groups have in common that could share their media: all tokens up to the end of these."""
    first = prompts[group.rows[0]]
    end = _end_of(first, SHOWN)
    if not end or cut_before(first.blocks, min(limits[r] for r in group.rows)) < end:
        return group.rows
    return tuple(m.key for m in first.media), _digest(first, end), len(first) if equal_lengths else 0


def _joined(prompts: Sequence[Encoded], limits: Sequence[int], family: list[Group]) -> list[Group]:
    """Leave the groups of a family as they are, or join those that share nothing, or all, whichever computes less.

    A picture is asked about with a text and without it; the two differ right after the picture.
    """
    if len(family) < 2:
        return family
    ways = [family]
    for parts in ([group for group in family if not group.shared], family):
        rows = tuple(sorted(r for group in parts for r in group.rows))
        if len(parts) > 1:
            own = Group(rows, _shared(prompts, limits, list(rows)))
            ways.append([*(group for group in family if group not in parts), own])
    return min(ways, key=lambda groups: sum(_positions(prompts, g) for g in groups))


def _cheapest(prompts: Sequence[Encoded], limits: Sequence[int], rows: list[int]) -> list[Group]:
    """Share one prefix among all rows, or a longer one among equal prompts, whichever computes less.

    A strength sweep asks the same prompt many times and then needs one token a row; an instruction in a
    neighbouring row must not make it compute the question again.
    """
    equal: dict[bytes, list[int]] = {}
    apart: dict[tuple, list[int]] = {}  # the same prompt, edited from a later token on, shares more
    for r in rows:
        ids = _digest(prompts[r], len(prompts[r]))
        equal.setdefault(ids, []).append(r)
        apart.setdefault((ids, min(limits[r], len(prompts[r]) - 1)), []).append(r)
    ways = [[rows]]
    for parts in (equal, apart):
        repeated = [members for members in parts.values() if len(members) > 1]
        single = [r for members in parts.values() if len(members) == 1 for r in members]
        ways += [list(parts.values()), [*repeated, single] if single else repeated]
    groupings = [[Group(tuple(m), _shared(prompts, limits, m)) for m in way] for way in ways]
    return min(groupings, key=lambda groups: sum(_positions(prompts, g) for g in groups))


def _digest(prompt: Encoded, end: int) -> bytes:
    """Return what tells first tokens apart; lists of numbers would take a hundred times the room."""
    return hashlib.sha256(prompt.ids[:end].cpu().numpy().tobytes()).digest()


def _positions(prompts: Sequence[Encoded], group: Group) -> int:
    """Token positions a group computes, padding included: its tails are as long as the longest."""
    return group.shared + len(group.rows) * (max(len(prompts[r]) for r in group.rows) - group.shared)


def _natural_prefix(prompt: Encoded) -> int:
    """Tokens up to the end of what is shown and the context."""
    return _end_of(prompt, EVIDENCE)


def _end_of(prompt: Encoded, names: Sequence[str]) -> int:
    """Tokens up to the end of the last of some spans; 0 if a prompt has none of them."""
    ends = [int(prompt.spans[name][-1]) + 1 for name in names if len(prompt.spans.get(name, ()))]
    return max(ends, default=0)


def _shared(prompts: Sequence[Encoded], limits: Sequence[int], rows: list[int]) -> int:
    if len(rows) == 1:
        return 0
    # The last prompt token is always computed in the tail: its output is what rows are run for.
    shared = min(min(limits[r], len(prompts[r]) - 1) for r in rows)
    first = prompts[rows[0]].ids
    for r in rows[1:]:
        differs = (first[:shared] != prompts[r].ids[:shared]).nonzero()
        shared = int(differs[0]) if len(differs) else shared
    return cut_before(prompts[rows[0]].blocks, shared)
