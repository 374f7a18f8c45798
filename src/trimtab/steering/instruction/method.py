"""The baseline that puts an instruction into the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine import Placement
from trimtab.items import Item
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import TrainingSet


@register
@dataclass(frozen=True)
class Instruction(Method):
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

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Learn nothing; the items are not looked at."""
        return Artifact(
            self.name,
            self.target,
            model.name,
            model.fingerprint,
            instruction=INSTRUCTIONS[self.target],
            placement=self.placement,
            options=self.options(),
        )
