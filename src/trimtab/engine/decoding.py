"""How the next token is chosen: greedily, or by a draw that depends on the row alone."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real
from random import Random
from typing import Any

import torch
from torch import Tensor

from trimtab.engine.local.encoding import Encoded
from trimtab.errors import UsageError

ALMOST_ONE = 1 - 1e-9
MOST_PENALTY = 1000.0
"""Beyond it a penalised logit may be larger than its type can hold, and then all of them are equal."""


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded; left alone, the most probable token each time.

    This rule is trimtab's own: of a checkpoint's ``generation_config`` only the end tokens count. The options mean what
    they mean in transformers, and come in its order: penalty, temperature, ``top_k``, ``top_p``.

    A draw depends on ``seed``, on the row's own prompt, on how many equal rows come before it, and on nothing else,
    such as the batch. So a prompt given n times gets n different samples, the same ones each time, and rows that
    differ in their edits alone are compared under the same luck.

    Attributes:
        temperature: What logits are divided by before drawing; 0 takes the most probable token and draws nothing.
        top_k: Draw among so many of the most probable tokens; None among all.
        top_p: Draw among the most probable tokens that hold this share of the probability together; None among all.
        repetition_penalty: Logits of tokens in prompt and answer are divided by it, or multiplied if negative; 1 leaves
            them as they are. From 0.001 to 1000; Qwen2.5-VL's checkpoints ask for 1.05.
        seed: Seed of the draws.
    """

    temperature: float = 0.0
    top_k: int | None = None
    top_p: float | None = None
    repetition_penalty: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            UsageError: With the rule and the value.
        """
        _check("temperature", self.temperature, "a finite number from 0 (greedy)", lambda v: v >= 0)
        within = f"a number from {1 / MOST_PENALTY:g} to {MOST_PENALTY:g}; 1 leaves off"
        _check("repetition_penalty", self.repetition_penalty, within, lambda v: 1 / MOST_PENALTY <= v <= MOST_PENALTY)
        _check("seed", self.seed, "a whole number", lambda _v: True, Integral)
        if self.top_k is not None:
            _check("top_k", self.top_k, "a whole number from 1, or None", lambda v: v >= 1, Integral)
        if self.top_p is not None:
            _check("top_p", self.top_p, "above 0 and at most 1, or None", lambda v: 0 < v <= 1)
        if self.temperature == 0 and (self.top_k is not None or self.top_p is not None):
            name = "top_k" if self.top_k is not None else "top_p"
            raise UsageError(
                f"`{name}` of Decoding must come with a temperature above 0, since greedy decoding draws nothing; got "
                f"{getattr(self, name)}; set temperature=1.0."
            )


def _check(name: str, value: Any, rule: str, holds: Any, kind: type = Real) -> None:
    if isinstance(value, bool) or not isinstance(value, kind) or not math.isfinite(value) or not holds(value):
        raise UsageError(f"`{name}` of Decoding must be {rule}; got {value!r}.")


GREEDY = Decoding()


def check_decoding(decoding: Any, owner: str) -> None:
    """Refuse what is no ``Decoding``.

    Raises:
        UsageError: With what it is.
    """
    if not isinstance(decoding, Decoding):
        raise UsageError(
            f"`decoding` of {owner} must be a Decoding, such as Decoding(temperature=0.7); got {decoding!r:.60}."
        )


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
