"""What a method asks of the engine for one prompt."""

from __future__ import annotations

from collections.abc import Sequence

from jaxtyping import Float32
from torch import Tensor

from trimtab.engine import Contrast, ModelOrEngine, Row, run

Ask = Row | Contrast
"""A row with its edits, or several rows whose next tokens are chosen together."""


def first_scores(model: ModelOrEngine, asks: Sequence[Ask]) -> Float32[Tensor, "asks vocabulary"]:
    """Return the log-probabilities of the first answer token, ``(asks, vocabulary)``, float32.

    Those of a contrast are its combined scores, normalised.
    """
    return run(model, asks).logits.log_softmax(-1)
