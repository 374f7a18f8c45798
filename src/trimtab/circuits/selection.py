"""Which heads are chosen, how stable the choice is, and sets to compare them with."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.circuits.heads import Head, HeadScores
from trimtab.errors import UsageError
from trimtab.modalities import Modality

SHARE = 0.05
"""The paper's share of heads."""


def how_many(total: int, share: float = SHARE) -> int:
    """Return how many of ``total`` heads a share is, the nearest number and of two as near the lower; at least one.

    Raises:
        UsageError: The share is not in 0..1.
    """
    if not 0 < share <= 1:
        raise UsageError(f"`share` of heads must be above 0 and at most 1; got {share}; the paper's is {SHARE}.")
    return max(1, math.ceil(round(share * total - 0.5, 9)))


def top_heads(scores: Float[Tensor, "layers heads"], count: int) -> tuple[Head, ...]:
    """Return the heads with the largest scores ``(layers, heads)``, best first."""
    order = scores.flatten().argsort(descending=True, stable=True)[:count].tolist()
    return tuple(divmod(place, scores.shape[1]) for place in order)


class Stability(NamedTuple):
    """How far two random halves of the items agree, averaged over draws.

    Attributes:
        jaccard: Heads chosen by both halves over heads chosen by either.
        spearman: Rank correlation of the scores of all heads; 0 for a draw in which a half scores all heads alike.
        chance: The overlap that random choices of this size would have.
    """

    jaccard: float
    spearman: float
    chance: float


def stability(
    scores: HeadScores, count: int, target: Modality | None = None, draws: int = 10, seed: int = 0
) -> Stability:
    """Choose heads on random halves of the items and compare.

    Raises:
        UsageError: There are fewer than two items.
    """
    from scipy.stats import spearmanr

    ids = sorted(set(scores.ids))
    if len(ids) < 2:
        raise UsageError(f"`scores` of stability must cover at least 2 items; got {len(ids)}.")
    generator, overlaps, correlations = random.Random(seed), [], []
    for _ in range(draws):
        half = set(generator.sample(ids, len(ids) // 2))
        first, second = (scores.of_items(part).mean(target) for part in (half, set(ids) - half))
        overlaps.append(jaccard(top_heads(first, count), top_heads(second, count)))
        alike = any(means.max() == means.min() for means in (first, second))
        found: Any = None if alike else spearmanr(first.flatten(), second.flatten())
        correlations.append(0.0 if found is None else float(found.statistic))
    total = scores.values[0].numel()
    chance = count / (2 * total - count)
    return Stability(sum(overlaps) / draws, sum(correlations) / draws, chance)


def jaccard(*choices: Sequence[Head]) -> float:
    """Return the heads in all of some choices over the heads in any."""
    sets = [set(heads) for heads in choices]
    return len(set.intersection(*sets)) / len(set.union(*sets))


def random_heads(all_heads: Sequence[Head], chosen: Sequence[Head], seed: int) -> tuple[Head, ...]:
    """Draw as many heads as were chosen from all the others."""
    others = [head for head in all_heads if head not in set(chosen)]
    return tuple(random.Random(seed).sample(others, min(len(chosen), len(others))))


def layer_matched_heads(all_heads: Sequence[Head], chosen: Sequence[Head], seed: int) -> tuple[Head, ...]:
    """Draw from the others as many heads of each layer as were chosen there, as far as the layer has others."""
    generator, drawn = random.Random(seed), []
    for layer in sorted({layer for layer, _ in chosen}):
        wanted = sum(own == layer for own, _ in chosen)
        others = [head for head in all_heads if head[0] == layer and head not in set(chosen)]
        drawn += generator.sample(others, min(wanted, len(others)))
    return tuple(drawn)


def norm_matched_heads(norms: Float[Tensor, "layers heads"], chosen: Sequence[Head]) -> tuple[Head, ...]:
    """Return for each chosen head the other head whose output norm ``(layers, heads)`` is nearest, each once."""
    free = norms.clone()
    for head in chosen:
        free[head] = torch.inf
    found = []
    for head in chosen:
        place = int((free - norms[head]).abs().flatten().argmin())
        match = divmod(place, norms.shape[1])
        free[match] = torch.inf
        found.append(match)
    return tuple(found)


def shuffled(scores: HeadScores, seed: int) -> HeadScores:
    """Return scores whose instruction labels are shuffled over cases: what the same choice makes of noise.

    A case that gets the other label has its scores mirrored, since they count for the named modality. A score that does
    not (patching) stays as it is: shuffling labels is no control of it.

    Raises:
        UsageError: The instructions name more than two modalities, between which nothing is the mirror.
    """
    if len(set(scores.targets)) > 2:
        raise UsageError(
            f"`scores` of shuffled must be of two modalities; got {', '.join(scores.modalities)}; compare with random "
            "heads instead."
        )
    targets = list(scores.targets)
    random.Random(seed).shuffle(targets)
    mirrored = [scores.signed and new != old for new, old in zip(targets, scores.targets, strict=True)]
    signs = torch.where(torch.tensor(mirrored), -1.0, 1.0)
    return HeadScores(scores.name, scores.values * signs[:, None, None], tuple(targets), scores.ids)
