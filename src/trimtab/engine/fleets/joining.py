"""What pieces found, put together in the order in which it was asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

from trimtab.engine.answers import Answers
from trimtab.engine.read import Readings

Found = TypeVar("Found")

Pieces = Sequence[tuple[Sequence[int], Found]]
"""The places of each piece's questions, and what was found for them."""


def joined_readings(pieces: Pieces[Readings]) -> Readings:
    """Return all readings in order, with receipts and costs added up in the order of the pieces."""
    order = [place for places, _ in pieces for place in places]
    found, whole = [part for _, part in pieces], Readings()
    whole.logits = _in_order(order, [part.logits for part in found])
    for layer in found[0].hidden:
        whole.hidden[layer] = _in_order(order, [part.hidden[layer] for part in found])
    for layer in found[0].heads:
        whole.heads[layer] = _in_order(order, [part.heads[layer] for part in found])
    _add_up(whole, found)
    return whole


def joined_answers(pieces: Pieces[Answers]) -> Answers:
    """Return all answers in order, with receipts and costs added up in the order of the pieces."""
    order = [place for places, _ in pieces for place in places]
    found, whole = [part for _, part in pieces], Answers()
    whole.texts = _sorted(order, (text for part in found for text in part.texts))
    whole.tokens = _sorted(order, (tokens for part in found for tokens in part.tokens))
    whole.finished = _sorted(order, (finished for part in found for finished in part.finished))
    broken = {places[row]: reason for places, part in pieces for row, reason in part.broken.items()}
    whole.broken = dict(sorted(broken.items()))
    whole.first_logits = _in_order(order, [part.first_logits for part in found])
    _add_up(whole, found)
    return whole


def _add_up(whole: Readings | Answers, parts: Iterable[Readings | Answers]) -> None:
    for part in parts:
        whole.receipt.add(part.receipt)
        whole.cost.add(part.cost)


def _in_order(order: list[int], parts: list[Any]) -> Any:
    """Join values of each piece, which are one tensor or a list of them."""
    if parts[0] is None:
        return None
    if not isinstance(parts[0], Tensor):
        return _sorted(order, (value for part in parts for value in part))
    whole = parts[0].new_empty(len(order), *parts[0].shape[1:])
    whole[torch.tensor(order)] = torch.cat(parts)
    return whole


def _sorted(order: list[int], values: Iterable[Found]) -> list[Found]:
    return [value for _, value in sorted(zip(order, values, strict=True), key=lambda pair: pair[0])]
