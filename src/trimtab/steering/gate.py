"""Where a model itself sees a conflict: the gate that methods share which act on conflicts alone."""

from __future__ import annotations

import torch
from torch import Tensor

from trimtab.engine import Prompt, Row
from trimtab.modalities import Modality, others
from trimtab.steering.chooser import has_evidence

MIN_CONFIDENCE = 0.7
"""What counts as sure where nobody says; chosen on validation items of the bundled benchmark."""


def sides_of(prompt: Prompt, target: Modality) -> tuple[Row, ...]:
    """Return a prompt with the target alone, and without it; nothing of one that cannot be a conflict."""
    if not may_conflict(prompt, target):
        return ()
    return Row(target_alone(prompt, target)), Row(prompt.without(target))


def may_conflict(prompt: Prompt, target: Modality) -> bool:
    """Whether a prompt has evidence of the target and of another modality."""
    with_evidence = [modality for modality in prompt.modalities if has_evidence(prompt, modality)]
    return target in with_evidence and len(with_evidence) > 1


def target_alone(prompt: Prompt, target: Modality) -> Prompt:
    """Return a prompt with the other modalities left out."""
    for other in others(target, prompt.modalities):
        prompt = prompt.without(other)
    return prompt


def conflicts_among(logits: Tensor, prompts: int, min_confidence: float) -> tuple[Tensor, Tensor]:
    """Say which of some prompts are conflicts in the model's own eyes.

    Args:
        logits: Of the first answer token, as many rows for each prompt: its ``sides_of``, and what else was looked at.
        prompts: How many prompts.
        min_confidence: See ``sees_conflict``.

    Returns:
        The log-probabilities given the target alone, ``(prompts, vocabulary)``, and True for conflicts, ``(prompts,)``.
    """
    wanted, other = logits.log_softmax(-1).unflatten(0, (prompts, -1)).unbind(1)[:2]
    return wanted, sees_conflict(wanted, other, min_confidence)


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
