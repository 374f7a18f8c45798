"""Baselines that change the prompt and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trimtab.errors import UsageError
from trimtab.fields import Count
from trimtab.items import Item
from trimtab.items.prompts import INSTRUCTIONS
from trimtab.modalities import PAIR, others
from trimtab.models import Model
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import TrainingSet

THINK = (
    "Carefully distinguish between image and text content and output the thinking process in <think> </think> and "
    "final answer option in <answer> </answer> tags."
)
"""MC2's request for a chain of thought (arXiv 2505.20977, released prompts)."""


@register
@dataclass(frozen=True)
class ChainOfThought(Method):
    """The instruction to follow the target, and MC2's request to reason before answering, after the question.

    It needs a model that can reason and room for it: raise ``max_new_tokens``.
    """

    name: ClassVar[str] = "chain_of_thought"
    title: ClassVar[str] = "chain of thought"
    changes_prompt: ClassVar[bool] = True

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Learn nothing; the items are not looked at."""
        return Artifact(
            self.name,
            self.target,
            model.name,
            model.fingerprint,
            instruction=f"{INSTRUCTIONS[self.target]} {THINK}",
            placement="after_question",
        )


@register
@dataclass(frozen=True)
class FewShot(Method):
    """The instruction to follow the target, and training items with their right answers, in words.

    MC2's own few-shot prompt was not released. Here an example says what its picture shows instead of showing it,
    which every model that takes one picture can read.

    Attributes:
        target: The modality to follow.
        shots: Examples, of different tasks as far as there are.
    """

    name: ClassVar[str] = "few_shot"
    title: ClassVar[str] = "few shot"
    changes_prompt: ClassVar[bool] = True

    shots: Count = 2

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Take the first item of each task, then the second, until there are enough."""
        train = items.given if isinstance(items, TrainingSet) else items
        if len(train) < self.shots:
            raise UsageError(
                f"`items` of FewShot.fit must hold at least {self.shots} training items, one for each shot; got "
                f"{len(train)}."
            )
        seen: Counter[str] = Counter()
        turns = []
        for item in train:
            turns.append(seen[item.task])
            seen[item.task] += 1
        chosen = [item for _, item in sorted(zip(turns, train, strict=True), key=lambda pair: pair[0])][: self.shots]
        return Artifact(
            self.name,
            self.target,
            model.name,
            model.fingerprint,
            instruction=" ".join([INSTRUCTIONS[self.target], *map(self._example, chosen)]),
            options=self.options(),
        )

    def _example(self, item: Item) -> str:
        answer = item.answer_image if self.target == "image" else item.answer_text
        return f"Example: {item.context.strip()} The picture shows: {item.answer_image}. {item.question} {answer}."


@register
@dataclass(frozen=True)
class DropModality(Method):
    """Leave the other modality out of the prompt: the trivial bound.

    It follows the target as well as the model can, and loses every item that needs both.
    """

    name: ClassVar[str] = "drop"
    title: ClassVar[str] = "drop"
    colour: ClassVar[str] = "#000000"
    changes_prompt: ClassVar[bool] = True

    def fit(self, model: Model, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT) -> Artifact:
        """Learn nothing; the items are not looked at."""
        return Artifact(self.name, self.target, model.name, model.fingerprint, without=others(self.target, PAIR)[0])
