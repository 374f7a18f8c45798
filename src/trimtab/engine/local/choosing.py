"""Choosing the next token of each row by the rule of a ``Decoding``."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import torch
from torch import Tensor

from trimtab.engine.decoding import Decoding
from trimtab.engine.encoded import Encoded

ALMOST_ONE = 1 - 1e-9


def luck(prompts: Sequence[Sequence[Encoded]], edits: Sequence[Sequence[Any]]) -> list[str]:
    """Return what each answer's draws depend on beside the seed.

    Args:
        prompts: The prompts of each answer: one, or the branches of a contrast.
        edits: Their edits; equal prompts under other edits have equal luck.
    """
    seen: Counter[tuple] = Counter()
    found = []
    for own, changed in zip(prompts, edits, strict=True):
        digest = hashlib.sha256()
        for prompt in own:
            digest.update(prompt.ids.cpu().numpy().tobytes())
            digest.update("".join(m.key for m in prompt.media).encode())
        key = digest.hexdigest(), tuple(map(id, changed))
        found.append(f"{key[0]}-{seen[key]}")
        seen[key] += 1
    return found


class Chooser:
    """Chooses the next token of each row of a batch, and remembers what it chose."""

    def __init__(self, decoding: Decoding, prompts: Sequence[Encoded], luck: Sequence[str]) -> None:
        """Begin answers.

        Args:
            decoding: The rule.
            prompts: Each row's prompt.
            luck: What each row's draws depend on beside the seed.
        """
        self.decoding = decoding
        self._draws = [Random(f"{decoding.seed}-{own}") for own in luck]
        self._prompts = prompts
        self._seen: Tensor | None = None

    def __call__(self, logits: Tensor) -> Tensor:
        """Choose from logits ``(rows, vocabulary)``; return tokens ``(rows,)``."""
        if self.decoding.repetition_penalty != 1 and self._seen is None:
            self._seen = torch.zeros_like(logits, dtype=torch.bool)
            for row, prompt in enumerate(self._prompts):
                self._seen[row, prompt.ids] = True
        logits = self._penalised(logits.float())
        tokens = logits.argmax(-1) if self.decoding.temperature == 0 else self._draw(logits)
        if self._seen is not None:
            self._seen.scatter_(1, tokens[:, None], True)
        return tokens

    def narrow(self, kept: Tensor) -> None:
        """Go on with some of the rows only."""
        self._draws = [self._draws[row] for row in kept.tolist()]
        self._seen = None if self._seen is None else self._seen[kept]

    def _penalised(self, logits: Tensor) -> Tensor:
        if self._seen is None:
            return logits
        penalty = self.decoding.repetition_penalty
        return torch.where(self._seen, torch.where(logits < 0, logits * penalty, logits / penalty), logits)

    def _draw(self, logits: Tensor) -> Tensor:
        """Draw by one uniform number a row: the first token up to which the probabilities sum to more than it."""
        probabilities = self.kept(logits).softmax(-1, dtype=torch.float64).cumsum(-1)
        drawn = [min(draws.random(), ALMOST_ONE) for draws in self._draws]
        uniform = probabilities.new_tensor(drawn)[:, None]
        return (probabilities > uniform * probabilities[:, -1:]).int().argmax(-1)

    def kept(self, logits: Tensor) -> Tensor:
        """Return logits at the temperature, minus infinity at tokens that are not drawn from."""
        decoding = self.decoding
        # At a tiny temperature the quotient itself is infinite; what matters is how far each is below the largest.
        below = logits - logits.amax(-1, keepdim=True)
        logits = (below.double() / decoding.temperature).to(logits.dtype)
        if decoding.top_k is not None and decoding.top_k < logits.shape[-1]:
            logits = logits.masked_fill(logits < logits.topk(decoding.top_k).values[:, -1:], -math.inf)
        if decoding.top_p is not None and decoding.top_p < 1:
            ordered, places = logits.sort(dim=-1, descending=True)
            probabilities = ordered.softmax(-1)
            beyond = probabilities.cumsum(-1) - probabilities >= decoding.top_p  # what comes before holds enough
            logits = logits.masked_fill(torch.zeros_like(beyond).scatter(1, places, beyond), -math.inf)
        return logits
