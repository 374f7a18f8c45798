"""What a method asks of the engine for one prompt, and how a mixture of such questions is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from trimtab.engine import (
    GREEDY,
    MAX_NEW_TOKENS,
    Answers,
    Contrast,
    Decoding,
    Row,
    contrasted_logits,
    generate,
    generate_contrasted,
    run,
)
from trimtab.models import Model
from trimtab.progress import SILENT, Progress, Within

Ask = Row | Contrast
"""A row with its edits, or several rows whose next tokens are chosen together."""


def answer(
    model: Model,
    asks: Sequence[Ask],
    *,
    max_new_tokens: int = MAX_NEW_TOKENS,
    decoding: Decoding = GREEDY,
    progress: Progress = SILENT,
    keep_broken: bool = False,
) -> Answers:
    """Answer rows and contrasts, greedily if not told otherwise.

    Args:
        model: The model.
        asks: What to answer; rows among them share their prefixes.
        max_new_tokens: Longest answer in tokens.
        decoding: How tokens are chosen.
        progress: Told of answers as they finish.
        keep_broken: Go on where a row's edits leave no finite logits; see ``trimtab.generate``.

    Returns:
        The answers, in the order asked.
    """
    rows, contrasts = _places(asks, Row), _places(asks, Contrast)
    options: dict[str, Any] = {"max_new_tokens": max_new_tokens, "decoding": decoding}
    if not contrasts:
        return generate(model, _at(asks, rows), keep_broken=keep_broken, progress=progress, **options)
    if not rows:
        return generate_contrasted(model, _at(asks, contrasts), progress=progress, **options)
    with progress.task("answer", len(asks)) as advance:
        options["progress"] = Within(advance)
        found = generate_contrasted(model, _at(asks, contrasts), **options)
        plain = generate(model, _at(asks, rows), keep_broken=keep_broken, **options)
    order = {place: (part, k) for part, places in ((plain, rows), (found, contrasts)) for k, place in enumerate(places)}
    broken = {rows[row]: reason for row, reason in plain.broken.items()}
    joined = Answers(receipt=plain.receipt, cost=plain.cost, broken=broken)
    joined.receipt.add(found.receipt)
    joined.cost.add(found.cost)
    for place in range(len(asks)):
        part, k = order[place]
        joined.texts.append(part.texts[k])
        joined.tokens.append(part.tokens[k])
        joined.finished.append(part.finished[k])
    return joined


def first_scores(model: Model, asks: Sequence[Ask]) -> Tensor:
    """Return the log-probabilities of the first answer token, ``(asks, vocabulary)``, float32.

    Those of a contrast are its combined scores, normalised.
    """
    rows, contrasts = _places(asks, Row), _places(asks, Contrast)
    parts = []
    if rows:
        parts.append(run(model, _at(asks, rows)).logits.log_softmax(-1))
    if contrasts:
        parts.append(contrasted_logits(model, _at(asks, contrasts)).log_softmax(-1))
    return torch.cat(parts)[torch.tensor([*rows, *contrasts]).argsort()]


def _places(asks: Sequence[Ask], kind: type) -> list[int]:
    return [place for place, ask in enumerate(asks) if isinstance(ask, kind)]


def _at(asks: Sequence[Ask], places: list[int]) -> list:
    return [asks[place] for place in places]
