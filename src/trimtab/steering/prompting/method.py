"""Baselines that change the prompt and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from trimtab.engine import ModelOrEngine
from trimtab.errors import UsageError
from trimtab.fields import Count
from trimtab.items import Item
from trimtab.items.prompts import instruction_for
from trimtab.modalities import FACTS, MODALITIES, SHOWN, Modality, others
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.method import Method, Parts, UntrainedMethod, register
from trimtab.steering.states import in_conflict
from trimtab.steering.training_set import TrainingSet

THINK = (
    "Carefully distinguish between image and text content and output the thinking process in <think> </think> and "
    "final answer option in <answer> </answer> tags."
)
"""MC2's request for a chain of thought (arXiv 2505.20977, released prompts)."""


@register
@dataclass(frozen=True)
class ChainOfThought(UntrainedMethod):
    """The instruction to follow the target, and MC2's request to reason before answering, after the question.

    It needs a model that can reason and room for it: raise ``max_new_tokens``.
    """

    name: ClassVar[str] = "chain_of_thought"
    title: ClassVar[str] = "chain of thought"
    changes_prompt: ClassVar[bool] = True

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return the instruction and the request."""
        return {"instruction": f"{instruction_for(self.target, among)} {_think(among)}", "placement": "after_question"}


def _think(among: Sequence[Modality]) -> str:
    """Return MC2's request, about some modalities."""
    *first, last = among
    return THINK.replace("image and text", f"{', '.join(first)} and {last}")


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

    def fit(
        self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet = (), progress: Progress = SILENT
    ) -> Artifact:
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
        told = instruction_for(self.target, in_conflict([*(m for item in train for m in item.modalities), self.target]))
        return self.artifact(model, instruction=" ".join([told, *map(self._example, chosen)]))

    def _example(self, item: Item) -> str:
        shown = [FACTS[modality].told.format(item.answer_of(modality)) for modality in _shown(item)]
        return " ".join(["Example:", item.context.strip(), *shown, item.question, f"{item.answer_of(self.target)}."])


def _shown(item: Item) -> tuple[Modality, ...]:
    """Return what an example says of its item: what it shows, or its picture, even if it has none."""
    return tuple(modality for modality in SHOWN if modality in item.modalities) or ("image",)


@register
@dataclass(frozen=True)
class DropModality(UntrainedMethod):
    """Leave the other modalities out of the prompt: the trivial bound.

    It follows the target as well as the model can, and loses every item that needs another.
    """

    name: ClassVar[str] = "drop"
    title: ClassVar[str] = "drop"
    colour: ClassVar[str] = "#000000"
    changes_prompt: ClassVar[bool] = True

    def parts(self, model: ModelOrEngine, among: tuple[Modality, ...]) -> Parts:
        """Return what is left out, whatever a prompt has of it."""
        return {"without": others(self.target, MODALITIES)}
