"""What a step of hardening costs in theory, in forward passes."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.interference.hardening.config import AttackConfig, Method


@dataclass(frozen=True)
class StepCost:
    """Token positions of one or more steps, and what is done with them.

    Attributes:
        tokens: Tokens of all views.
        attacked: Tokens of the views that are attacked as well.
        method: What is trained.
    """

    tokens: int
    attacked: int
    method: Method

    @property
    def backward(self) -> int:
        """Backward pass in forward passes: one to the activations and, if all weights are trained, one to them."""
        return 2 if self.method == "full" else 1

    def forward_equivalents(self, attack: AttackConfig | None) -> float:
        """Return the work in token positions of one forward pass.

        Supervised fine-tuning takes a forward and a backward pass of every view. An attack of K steps adds K forward
        passes and K backward passes to the embeddings for the views it hits, and one more forward and backward pass
        of their attacked copies. Consistency compares what is there already and adds nothing.
        """
        plain = (1 + self.backward) * self.tokens
        if attack is None:
            return float(plain)
        return float(plain + (2 * attack.steps + 1 + self.backward) * self.attacked)
