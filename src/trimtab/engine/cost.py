"""What answering took."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Cost:
    """Work done.

    Attributes:
        rows: Rows asked for.
        passes: Forward passes of the decoder that were made: for shared prefixes, for tails, for each layer that rows
            begin late at, for each token that is decoded, and for batches that did not fit and were cut.
        tokens: Token positions of prompts computed, in all layers or from a later one on, padding left out.
        naive_tokens: Token positions that one full pass a row would have computed.
    """

    rows: int = 0
    passes: int = 0
    tokens: int = 0
    naive_tokens: int = 0

    def add(self, other: Cost) -> None:
        """Add another run's work."""
        self.rows += other.rows
        self.passes += other.passes
        self.tokens += other.tokens
        self.naive_tokens += other.naive_tokens
