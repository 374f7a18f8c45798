"""Which tokens the answer is chosen among."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from trimtab.contribution.method import Question
from trimtab.contribution.options import MCS
from trimtab.engine import Encoded
from trimtab.errors import DataError, UsageError
from trimtab.models import Model


def restrict(logits: Tensor, model: Model, questions: Sequence[Question], config: MCS) -> Tensor:
    """Keep the logits of each item's two answers, or all of them.

    Args:
        logits: ``(items, rows, vocabulary)``.
        model: The model.
        questions: The items.
        config: Says which.

    Returns:
        ``(items, rows, vocabulary)`` or ``(items, rows, 2)``.
    """
    if config.vocabulary == "all":
        return logits
    ids = torch.tensor([answer_tokens(model, q) for q in questions], device=logits.device)
    return logits.gather(2, ids[:, None].expand(-1, logits.shape[1], -1))


def answer_tokens(model: Model, question: Question) -> tuple[int, int]:
    """Return the first token of the image's and of the text's answer, as either would follow the prompt.

    Raises:
        UsageError: The item lacks an answer.
        DataError: Both answers begin with the same token, so nothing is chosen between them.
    """
    item = question.item
    for name in ("answer_image", "answer_text"):
        if not getattr(item, name).strip():
            raise UsageError(
                f"`vocabulary` of MCS must be 'all' for items without both answers; item {item.id} has "
                f"no {name}; measure conflict items, or choose 'all'."
            )
    image, text = (first_token(model, question.encoded, answer) for answer in (item.answer_image, item.answer_text))
    if image == text:
        raise DataError(
            f"`answers` must begin with different tokens of {model.name} with vocabulary='answers'; "
            f"{item.answer_image!r} and {item.answer_text!r} do not"
        )
    return image, text


def first_token(model: Model, prompt: Encoded, answer: str) -> int:
    """Return the first visible token of an answer after a prompt, with a blank between them if it ends without one."""
    tokenizer = model.tokenizer
    ends_open = not tokenizer.decode(prompt.ids[-1:]).endswith(("\n", " "))
    ids = tokenizer(f" {answer.strip()}" if ends_open else answer.strip(), add_special_tokens=False)["input_ids"]
    return next(i for i in ids if tokenizer.decode([i]).strip())
