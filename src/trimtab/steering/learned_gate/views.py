"""What a model answers a prompt from each part of it, as numbers that a gate can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, permutations
from math import comb

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.divergences import entropy, kl
from trimtab.engine import ModelOrEngine, Prompt, Row, run
from trimtab.modalities import Modality
from trimtab.steering.gate import target_alone
from trimtab.steering.looking import PROMPTS_AT_ONCE

VIEWS = ("plain", "target", "others", "question")
"""The prompt as it is, with the target alone, without the target, and with nothing but the question."""
FLOOR = 1e-4
"""Entropies, divergences and probabilities below this count as this, since their logarithms are read."""
N_FEATURES = 2 * len(VIEWS) + 5 * comb(len(VIEWS), 2)
"""Two of each view, and of each two views two each way and one for both."""


def views_of(prompt: Prompt, target: Modality) -> tuple[Prompt, ...]:
    """Return a prompt in each of ``VIEWS``."""
    alone = target_alone(prompt, target)
    return prompt, alone, prompt.without(target), alone.without(target)


def read_features(
    model: ModelOrEngine, prompts: Sequence[Prompt], target: Modality
) -> Iterator[Float[Tensor, "prompts features"]]:
    """Ask prompts in every view and yield their features, some at a time.

    Args:
        model: The model.
        prompts: Prompts with the target and another modality.
        target: The modality to follow.

    Yields:
        See ``features``.
    """
    for start in range(0, len(prompts), PROMPTS_AT_ONCE):
        part = prompts[start : start + PROMPTS_AT_ONCE]
        rows = [Row(view) for prompt in part for view in views_of(prompt, target)]
        yield features(scores_of_views(run(model, rows).logits))


def scores_of_views(logits: Float[Tensor, "rows vocabulary"]) -> Float[Tensor, "prompts views vocabulary"]:
    """Return the log-probabilities of each prompt's views, of logits view after view."""
    return logits.float().log_softmax(-1).unflatten(0, (-1, len(VIEWS)))


def features(scores: Float[Tensor, "prompts views vocabulary"]) -> Float[Tensor, "prompts features"]:
    """Return what the first token's distributions say of each view and of each two.

    They are: for each view, the logarithms of the largest probability and of the entropy; for each ordered two, that of
    their divergence KL(a || b), and of the probability in a of the best token of b; for each two, whether their best
    tokens are the same.

    Args:
        scores: Log-probabilities.
    """
    each = range(len(VIEWS))
    best, unsure = scores.max(-1), entropy(scores)
    columns = [column for view in each for column in (best.values[:, view].exp(), unsure[:, view])]
    for a, b in permutations(each, 2):
        columns.append(kl(scores[:, a], scores[:, b]))
        columns.append(scores[:, a].gather(-1, best.indices[:, b, None])[:, 0].exp())
    same = [best.indices[:, a] == best.indices[:, b] for a, b in combinations(each, 2)]
    return torch.cat([torch.stack(columns, -1).clamp_min(FLOOR).log(), torch.stack(same, -1).float()], -1)
