"""What a method asks of the engine for one prompt."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float32
from torch import Tensor

from trimtab.engine import Contrast, ModelOrEngine, Row, run

Ask = Row | Contrast
"""A row with its edits, or several rows whose next tokens are chosen together."""


class Asks:
    """What is asked in one run, in which a prompt without edits is asked once, however many want it."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self._plain: dict[int, int] = {}

    def place(self, ask: Ask) -> int:
        """Add what is asked, or find the same, and return its place."""
        if isinstance(ask, Row) and not ask.edits:
            if id(ask.prompt) not in self._plain:
                self._plain[id(ask.prompt)] = len(self.asks)
                self.asks.append(ask)
            return self._plain[id(ask.prompt)]
        self.asks.append(ask)
        return len(self.asks) - 1


def first_scores(model: ModelOrEngine, asks: Sequence[Ask]) -> Float32[Tensor, "asks vocabulary"]:
    """Return the log-probabilities of the first answer token, ``(asks, vocabulary)``, float32.

    Those of a contrast are its combined scores, normalised.
    """
    return run(model, asks).logits.log_softmax(-1)
