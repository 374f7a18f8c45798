"""The teacher: the model itself, unedited, asked what the answer should be."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Float32, Int
from torch import Tensor

from trimtab.divergences import kl
from trimtab.engine import Encoded
from trimtab.engine.local.whitebox import Prefix, require_finite
from trimtab.models import Model
from trimtab.progress import Progress
from trimtab.steering.learned_trim.forcing import ForcedBatch, before_last

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


@torch.no_grad()
def taught(
    model: Model, prompts: Sequence[Encoded], prefix: Prefix | None, most_steps: int, most_tokens: int
) -> list[Taught]:
    """Answer some prompts greedily, and keep what is likely at each step.

    Args:
        model: The model.
        prompts: The prompts.
        prefix: What ``before_last`` made of them; None computes them whole.
        most_steps: Answer tokens that are looked at.
        most_tokens: Tokens kept at each step; the others count together.

    Raises:
        NotFiniteError: With the place of the first prompt whose logits are not finite.
    """
    silent = {*model.stop_tokens, *model.placeholders.values()}  # an untrained model may say what stands for a medium
    answers: list[list[int]] = [[] for _ in prompts]
    steps: list[list[tuple[Tensor, Tensor]]] = [[] for _ in prompts]
    going = list(range(len(prompts)))
    for _ in range(most_steps):
        if not going:
            break
        rows = None if prefix is None else prefix.rows(going)
        batch = ForcedBatch(model, [prompts[k] for k in going], [answers[k] for k in going], prefix=rows)
        scores = batch.scores()[:, -1]
        require_finite(model, scores, going)
        best = scores.topk(min(most_tokens, scores.shape[-1]))
        for k, *likely in zip(going, best.indices.cpu(), best.values.cpu(), strict=True):
            steps[k].append((likely[0], likely[1]))
        said = {k: int(token) for k, token in zip(going, best.indices[:, 0].tolist(), strict=True)}
        going = [k for k in going if said[k] not in silent]
        for k in going:
            answers[k].append(said[k])
    # The last step asks for the stop token, or for the last token that is looked at.
    return [
        Taught(tuple(answer[: len(own) - 1]), *(torch.stack(parts) for parts in zip(*own, strict=True)))
        for answer, own in zip(answers, steps, strict=True)
    ]


def taught_once(
    model: Model, prompts: Sequence[Encoded], most_steps: int, most_tokens: int, batch_size: int, progress: Progress
) -> dict[Hashable, Taught]:
    """Answer prompts as ``taught`` does, some of like length together, and equal ones once.

    Returns:
        What is said to each, by its ``content``.
    """
    distinct = sorted({prompt.content: prompt for prompt in prompts}.values(), key=len)
    found: dict[Hashable, Taught] = {}
    with progress.task("ask teachers", len(distinct)) as advance:
        for start in range(0, len(distinct), batch_size):
            part = distinct[start : start + batch_size]
            said = taught(model, part, before_last(model, part), most_steps, most_tokens)
            found |= {prompt.content: own for prompt, own in zip(part, said, strict=True)}
            advance(len(part))
    return found


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
