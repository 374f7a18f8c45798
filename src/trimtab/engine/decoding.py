"""How the next token is chosen: greedily, or by a draw that depends on the row alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from trimtab.errors import UsageError
from trimtab.fields import AtLeast, Between, Count, Portion, check_fields

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

    temperature: Annotated[float, AtLeast(0)] = 0.0
    top_k: Count | None = None
    top_p: Portion | None = None
    repetition_penalty: Annotated[float, Between(1 / MOST_PENALTY, MOST_PENALTY)] = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing.

        Raises:
            UsageError: With the rule and the value.
        """
        check_fields(self)
        if self.temperature == 0 and (self.top_k is not None or self.top_p is not None):
            name = "top_k" if self.top_k is not None else "top_p"
            raise UsageError(
                f"`{name}` of Decoding must come with a temperature above 0, since greedy decoding draws nothing; got "
                f"{getattr(self, name)}; set temperature=1.0."
            )


GREEDY = Decoding()


def check_decoding(decoding: object, owner: str) -> None:
    """Refuse what is no ``Decoding``.

    Raises:
        UsageError: With what it is.
    """
    if not isinstance(decoding, Decoding):
        raise UsageError(
            f"`decoding` of {owner} must be a Decoding, such as Decoding(temperature=0.7); got {decoding!r:.60}."
        )
