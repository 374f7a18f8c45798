"""Which rows of a server's batch are which tokens of which request."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Chunk:
    """The tokens of one request that one step computes: rows ``start`` to ``end`` of the batch.

    A step holds prompts whole or in part, and single generated tokens. Only the token index tells them apart: a part
    of a prompt may be one token, and a request that was put off computes its generated tokens again, many at once.

    Attributes:
        request: The request's id.
        start: Its first row.
        end: The row after its last one.
        first: Token index of its first row.
        length: Tokens of its prompt.
    """

    request: str
    start: int
    end: int
    first: int
    length: int

    @property
    def after(self) -> int:
        """Token index after its last row's."""
        return self.first + self.end - self.start

    @property
    def last_prompt(self) -> int | None:
        """The row of the last prompt token; None where it is not among these."""
        index = self.length - 1
        return self.start + index - self.first if self.first <= index < self.after else None

    def rows(self, first: int, end: int) -> tuple[int, int]:
        """Return the rows of token indices ``first`` to ``end``: the first one, and the one after the last."""
        low, high = max(first, self.first), min(end, self.after)
        return (self.start + low - self.first, self.start + high - self.first) if low < high else (0, 0)

    def count(self, first: int, end: int) -> int:
        """Return how many tokens of ``first`` to ``end`` are among these."""
        return max(0, min(end, self.after) - max(first, self.first))


def chunks_of(
    requests: Sequence[str], starts: Sequence[int], computed: Sequence[int], lengths: Sequence[int]
) -> list[Chunk]:
    """Return each request's part of a batch.

    Args:
        requests: Ids, in the order of their rows.
        starts: First row of each request, and the number of rows.
        computed: Tokens of each request that were computed before.
        lengths: Tokens of each request's prompt.
    """
    return [
        Chunk(request, int(starts[k]), int(starts[k + 1]), int(computed[k]), int(lengths[k]))
        for k, request in enumerate(requests)
    ]
