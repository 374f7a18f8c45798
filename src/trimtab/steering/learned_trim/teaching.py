"""The teacher: the model itself, unedited, asked what the answer should be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import Prompt, encode, generate
from trimtab.models import Model
from trimtab.progress import Advance, Within
from trimtab.steering.learned_trim.forcing import ForcedBatch

LEAST_REST = 1e-6
"""Floor on the probability of all tokens that are not kept together."""


@dataclass(frozen=True, eq=False)
class Taught:
    """What a teacher says at each step of its answer.

    Attributes:
        answer: The tokens of the answer that are fed; the teacher also says what comes after the last of them.
        tokens: The likeliest tokens at each step, ``(steps, kept)``.
        scores: Their log-probabilities, ``(steps, kept)``.
    """

    answer: tuple[int, ...]
    tokens: Int[Tensor, "steps kept"]
    scores: Float[Tensor, "steps kept"]


def taught(
    model: Model, prompts: Sequence[Prompt], most_steps: int, most_tokens: int, batch_size: int, advance: Advance
) -> list[Taught]:
    """Answer prompts greedily, and keep what is likely at each step; prompts given twice are answered once.

    Args:
        model: The model.
        prompts: The prompts.
        most_steps: Answer tokens that are looked at.
        most_tokens: Tokens kept at each step; the others count together.
        batch_size: Prompts of a batch.
        advance: Told of prompts as they are answered, and as their distributions are read.
    """
    distinct = list({id(prompt): prompt for prompt in prompts}.values())
    answers = generate(model, distinct, max_new_tokens=most_steps, batch_size=batch_size, progress=Within(advance))
    # The last step asks for the stop token, or for the last token that is looked at.
    fed = [_sayable(model, tokens)[: most_steps - 1] for tokens in answers.tokens]
    order = sorted(range(len(distinct)), key=lambda k: len(fed[k]))
    found: dict[int, Taught] = {}
    for start in range(0, len(order), batch_size):
        part = order[start : start + batch_size]
        batch = ForcedBatch(model, [encode(model, distinct[k]) for k in part], [fed[k] for k in part])
        with torch.no_grad():
            best = batch.scores().topk(min(most_tokens, model.text_config.vocab_size))
        for row, k in enumerate(part):
            own = slice(-len(fed[k]) - 1, None)
            tokens, scores = best.indices[row, own].cpu(), best.values[row, own].cpu()
            found[id(distinct[k])] = Taught(fed[k], tokens, scores)
        advance(len(part))
    return [found[id(prompt)] for prompt in prompts]


def _sayable(model: Model, tokens: Sequence[int]) -> tuple[int, ...]:
    """Return the tokens before the first that stands for a medium, which an untrained model may say."""
    shown = set(model.placeholders.values())
    return tuple(takewhile(lambda token: token not in shown, tokens))


def divergence(taught: Sequence[Taught], scores: Float32[Tensor, "rows steps vocabulary"]) -> Float32[Tensor, " rows"]:
    """Return KL(teacher || model) of each row in nats, summed over the steps of the answer, ``(rows,)``.

    Tokens that the teacher did not keep count as one outcome, which makes it at most the divergence over all.
    """
    rows = []
    for own, given in zip(taught, scores, strict=True):
        tokens, wanted = own.tokens.to(given.device), own.scores.to(given.device)
        found = given[-len(tokens) :].gather(-1, tokens)
        rows.append(kl(with_rest(wanted), with_rest(found)).sum())
    return torch.stack(rows)


def with_rest(scores: Tensor) -> Tensor:
    """Append the log-probability of all that is left, ``(..., kept + 1)``."""
    rest = (1 - scores.exp().sum(-1, keepdim=True)).clamp_min(LEAST_REST).log()
    return torch.cat([scores, rest], dim=-1)
