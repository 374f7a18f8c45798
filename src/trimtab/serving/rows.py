"""Which rows of a server's batch are which tokens of which request."""

from __future__ import annotations

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
