"""How likely a model finds given replies, steered as it would be while it generates them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

from trimtab.engine import Edit, Encoded, Receipt, Row, encode
from trimtab.engine.local.whitebox import exclusive
from trimtab.errors import UsageError
from trimtab.items.prompts import answer_ids
from trimtab.models import Model
from trimtab.steering.learned_trim.forcing import ForcedBatch


class Likelihood(NamedTuple):
    """How likely one reply is.

    Attributes:
        log_probability: Of all its tokens, in nats.
        tokens: How many they are.
        greedy: Whether each is the most probable one after those before it.
    """

    log_probability: float
    tokens: int
    greedy: bool


def likelihoods(model: Model, row: Row, replies: Sequence[str]) -> tuple[list[Likelihood], Receipt]:
    """Return how likely each reply to a row is, and what the row's edits touched.

    Args:
        model: The model.
        row: The prompt and its edits.
        replies: The replies.

    Raises:
        UsageError: A reply has no token.
        NothingEditedError: An edit touched no position.
    """
    prompt = row.prompt if isinstance(row.prompt, Encoded) else encode(model, row.prompt)
    return token_likelihoods(model, prompt, row.edits, [answer_ids(model, prompt, reply) for reply in replies])


@exclusive
@torch.no_grad()
def token_likelihoods(
    model: Model, prompt: Encoded, edits: tuple[Edit, ...], replies: Sequence[Sequence[int]]
) -> tuple[list[Likelihood], Receipt]:
    """Return how likely each reply of some tokens is; edits act on them as on generated ones. See ``likelihoods``."""
    if not all(replies):
        raise UsageError("`replies` of likelihoods must hold text; one of them is empty; give each a word.")
    cut = prompt.blocks is None and all(edit.reach(prompt) >= len(prompt) - 1 for edit in edits)
    batch = ForcedBatch(model, [prompt] * len(replies), [own[:-1] for own in replies], cut=cut)
    scores = batch.scores(edits)
    receipt = Receipt()
    for own in batch.receipts.values():
        receipt.add(own)
    receipt.require_hits()
    found = []
    for own, steps in zip(replies, scores, strict=True):
        steps, tokens = steps[-len(own) :], torch.tensor(own, device=scores.device)
        chosen = steps.gather(-1, tokens[:, None])[:, 0]
        found.append(Likelihood(float(chosen.double().sum()), len(own), bool((steps.argmax(-1) == tokens).all())))
    return found, receipt
