"""The teacher: the model itself, unedited, asked what the answer should be."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import Prompt, encode, generate
from trimtab.models import Model
from trimtab.progress import Progress, Within
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
    model: Model, prompts: Sequence[Prompt], most_steps: int, most_tokens: int, batch_size: int, progress: Progress
) -> list[Taught]:
    """Answer prompts greedily, and keep what is likely at each step; equal prompts are answered once.

    Args:
        model: The model.
        prompts: The prompts.
        most_steps: Answer tokens that are looked at.
        most_tokens: Tokens kept at each step; the others count together.
        batch_size: Prompts of a batch.
        progress: Told of prompts as they are answered, and as their distributions are read.
    """
    encoded = [encode(model, prompt) for prompt in prompts]
    distinct = list({prompt.content: prompt for prompt in encoded}.values())
    found: dict[Hashable, Taught] = {}
    with progress.task("ask teachers", 2 * len(distinct)) as advance:
        answers = generate(model, distinct, max_new_tokens=most_steps, batch_size=batch_size, progress=Within(advance))
        # The last step asks for the stop token, or for the last token that is looked at.
        fed = [_sayable(model, tokens)[: most_steps - 1] for tokens in answers.tokens]
        order = sorted(range(len(distinct)), key=lambda k: len(fed[k]))
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            batch = ForcedBatch(model, [distinct[k] for k in part], [fed[k] for k in part])
            with torch.no_grad():
                best = batch.scores().topk(min(most_tokens, model.text_config.vocab_size))
            likeliest, how = best.indices.cpu(), best.values.cpu()
            for row, k in enumerate(part):
                own = slice(-len(fed[k]) - 1, None)
                found[distinct[k].content] = Taught(fed[k], likeliest[row, own], how[row, own])
            advance(len(part))
    return [found[prompt.content] for prompt in encoded]


def _sayable(model: Model, tokens: Sequence[int]) -> tuple[int, ...]:
    """Return the tokens before the first that stands for a medium, which an untrained model may say."""
    shown = set(model.placeholders.values())
    return tuple(takewhile(lambda token: token not in shown, tokens))


@dataclass(frozen=True, eq=False)
class TaughtBatch:
    """What the teachers of some lessons say, as one; shorter answers stand on the right.

    Attributes:
        tokens: See ``Taught``, ``(rows, steps, kept)``.
        scores: ``(rows, steps, kept)``.
        steps: Which steps belong to a row, ``(rows, steps)``.
    """

    tokens: Int[Tensor, "rows steps kept"]
    scores: Float32[Tensor, "rows steps kept"]
    steps: Bool[Tensor, "rows steps"]

    @classmethod
    def joined(cls, taught: Sequence[Taught], device: torch.device) -> TaughtBatch:
        """Join what some teachers say, on a device."""
        shape = len(taught), max(len(own.tokens) for own in taught), taught[0].tokens.shape[-1]
        tokens = torch.zeros(shape, dtype=torch.long)
        # What stands at steps that a row lacks does not count; it only has to be finite.
        scores = torch.full(shape, -math.log(2 * shape[-1]))
        steps = torch.zeros(shape[:2], dtype=torch.bool)
        for row, own in enumerate(taught):
            at = slice(-len(own.tokens), None)
            tokens[row, at], scores[row, at], steps[row, at] = own.tokens, own.scores.float(), True
        return cls(tokens.to(device), scores.to(device), steps.to(device))

    def divergence(self, scores: Float32[Tensor, "rows steps vocabulary"]) -> Float32[Tensor, " rows"]:
        """Return KL(teacher || model) of each row in nats, summed over the steps of the answer, ``(rows,)``.

        Tokens that the teacher did not keep count as one outcome, which makes it at most the divergence over all.

        Args:
            scores: The model's log-probabilities, at the same steps.
        """
        each = kl(with_rest(self.scores), with_rest(scores.gather(-1, self.tokens)))
        return torch.where(self.steps, each, 0.0).sum(-1)


def with_rest(scores: Tensor) -> Tensor:
    """Append the log-probability of all that is left, ``(..., kept + 1)``."""
    rest = (1 - scores.exp().sum(-1, keepdim=True)).clamp_min(LEAST_REST).log()
    return torch.cat([scores, rest], dim=-1)
