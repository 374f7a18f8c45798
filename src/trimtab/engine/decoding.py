"""How the next token is chosen: greedily, or by a draw that depends on the row alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from trimtab.errors import UsageError

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
