"""Which tokens the answer is chosen among."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.contribution.method import Case
from trimtab.engine import Encoded, ModelOrEngine, engine_of
from trimtab.errors import DataError, UsageError
from trimtab.items.prompts import answer_ids

if TYPE_CHECKING:
    from trimtab.contribution.options import MCS


def restrict(
    logits: Float[Tensor, "items rows vocabulary"], model: ModelOrEngine, cases: Sequence[Case], config: MCS
) -> Float[Tensor, "items rows answers"]:
    """Keep the logits of the answers that each item's modalities support, or all of them.

    Args:
        logits: ``(items, rows, vocabulary)``.
        model: The model.
        cases: The items.
        config: Says which.

    Returns:
        ``(items, rows, vocabulary)`` or ``(items, rows, modalities)``.
    """
    if config.vocabulary == "all":
        return logits
    ids = torch.tensor([answer_tokens(model, case) for case in cases], device=logits.device)
    return logits.gather(2, ids[:, None].expand(-1, logits.shape[1], -1))


def answer_tokens(model: ModelOrEngine, case: Case) -> tuple[int, ...]:
    """Return the first token of each modality's answer, as it would follow the prompt.

    Raises:
        UsageError: The item lacks an answer.
        DataError: Two answers begin with the same token, so nothing is chosen between them.
    """
    assert case.item is not None
    answers = {modality: case.item.answer_of(modality) for modality in case.modalities}
    for modality, answer in answers.items():
        if not answer.strip():
            raise UsageError(
                f"`vocabulary` of MCS must be 'all' for items without an answer for each modality; item "
                f"{case.item.id} has no answer_{modality}; measure conflict items, or choose 'all'."
            )
    tokens = {modality: first_token(model, case.encoded, answer) for modality, answer in answers.items()}
    for one, other in combinations(tokens, 2):
        if tokens[one] == tokens[other]:
            raise DataError(
                f"`answers` must begin with different tokens of {model.name} with vocabulary='answers'; "
                f"{answers[one]!r} and {answers[other]!r} do not"
            )
    return tuple(tokens.values())


def first_token(model: ModelOrEngine, prompt: Encoded, answer: str) -> int:
    """Return the first visible token of an answer after a prompt."""
    engine = engine_of(model)
    return next(i for i in answer_ids(model, prompt, answer) if engine.detokenize([i]).strip())
