"""The baseline that puts an instruction into the prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine import ModelOrEngine, Placement
from trimtab.items.prompts import instruction_for
from trimtab.modalities import Modality
from trimtab.steering.method import Parts, UntrainedMethod, register


@register
@dataclass(frozen=True)
class Instruction(UntrainedMethod):
    """MC2's instruction to follow the target (arXiv 2505.20977), in the prompt; no edit.

    Attributes:
        target: The modality to follow.
        placement: Before the question, as in MC2, or after it, as in AMPS.
    """

    name: ClassVar[str] = "instruction"
    title: ClassVar[str] = "instruction"
    phrase: ClassVar[str] = "an instruction"
    colour: ClassVar[str] = "#009E73"
    changes_prompt: ClassVar[bool] = True

    placement: Placement = "before_question"

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the instruction."""
        return {"instruction": instruction_for(self.target, among), "placement": self.placement}
