"""Where a model itself sees a conflict: the gate that methods share which act on conflicts alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from trimtab.engine import ModelOrEngine, Prompt, Row, run
from trimtab.modalities import Modality, others
from trimtab.steering.chooser import has_evidence

MIN_CONFIDENCE = 0.7
"""What counts as sure where nobody says; chosen on validation items of the bundled benchmark."""
PROMPTS_AT_ONCE = 32
"""Prompts that are looked at together: each has two rows of logits here, and may have many more behind the gate."""


def find_conflicts(
    model: ModelOrEngine, prompts: Sequence[Prompt], target: Modality, min_confidence: float
) -> Iterator[tuple[list[int], Tensor]]:
    """Find the prompts that are conflicts in the model's own eyes, some at a time.

    Args:
        model: The model.
        prompts: What is asked; those that cannot be a conflict are not run.
        target: The modality to follow.
        min_confidence: See ``sees_conflict``.

    Yields:
        Places of conflicts among the prompts, and the log-probabilities of their first answer token given the target
        alone, ``(places, vocabulary)``.
    """
    whole = [k for k, prompt in enumerate(prompts) if may_conflict(prompt, target)]
    for start in range(0, len(whole), PROMPTS_AT_ONCE):
        places = whole[start : start + PROMPTS_AT_ONCE]
        part = [prompts[k] for k in places]
        sides = [*(target_alone(p, target) for p in part), *(p.without(target) for p in part)]
        wanted, other = run(model, [*map(Row, sides)]).logits.log_softmax(-1).split(len(part))
        fires = sees_conflict(wanted, other, min_confidence)
        yield [k for k, on in zip(places, fires.tolist(), strict=True) if on], wanted[fires]


def may_conflict(prompt: Prompt, target: Modality) -> bool:
    """Whether a prompt has evidence of the target and of another modality."""
    with_evidence = [modality for modality in prompt.modalities if has_evidence(prompt, modality)]
    return target in with_evidence and len(with_evidence) > 1


def target_alone(prompt: Prompt, target: Modality) -> Prompt:
    """Return a prompt with the other modalities left out."""
    for other in others(target, prompt.modalities):
        prompt = prompt.without(other)
    return prompt


def sees_conflict(wanted: Tensor, other: Tensor, min_confidence: float) -> Tensor:
    """Say which items are conflicts in the model's own eyes: those that target and others could each answer alone.

    Where both give the same answer, following the target does no harm. An item that needs both is one that neither
    alone is sure of. A model can also be sure of an answer that what it is shown does not hold.

    Args:
        wanted: Log-probabilities of the first answer token given the target alone, ``(items, vocabulary)``.
        other: Those given all but the target.
        min_confidence: The least probability of the best answer that counts as sure.

    Returns:
        True where to act, ``(items,)``.
    """
    return torch.minimum(wanted.max(-1).values, other.max(-1).values).exp() >= min_confidence
