"""What a first answer token is chosen by."""

from collections.abc import Sequence

from torch import Tensor

from trimtab.engine import run
from trimtab.models import Model
from trimtab.steering import Ask


def first_scores(model: Model, asks: Sequence[Ask]) -> Tensor:
    """Return the log-probabilities of the first answer token, ``(asks, vocabulary)``."""
    return run(model, asks).logits.log_softmax(-1)
