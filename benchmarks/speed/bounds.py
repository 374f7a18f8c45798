"""What a job needs and what other ways of doing it compute, counted in positions of layers, and the ratio of both."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from trimtab import Model, Row
from trimtab.engine import Encoded


def sweep_bound(model: Model, rows: Sequence[Row]) -> float:
    """Return how many times as much a pass for each row computes as what rows of one prompt need.

    Needed are the prompt once, and of each row its tokens from the first edited one on, in the layers from the first
    edited one on.
    """
    prompt = cast(Encoded, rows[0].prompt)
    length, layers = len(prompt), model.n_layers
    needed = length * layers
    for row in rows:
        first = min(layer for edit in row.edits for layer in edit.at_layers(model))
        needed += (length - min(edit.reach(prompt) for edit in row.edits)) * (layers - first)
    return len(rows) * length * layers / needed


def strengths_bound(length: int, new_tokens: int, strengths: int) -> float:
    """Return how many times as many positions answers at several strengths have as one answer: the prompt is shared."""
    answer = new_tokens  # the last prompt token, and each new one but the last
    return (length - 1 + strengths * answer) / (length - 1 + answer)
