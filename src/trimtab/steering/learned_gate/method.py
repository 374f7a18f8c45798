"""Learned gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor

from trimtab.engine import Capability, ModelOrEngine, require
from trimtab.errors import UsageError
from trimtab.fields import Positive, Share
from trimtab.items import Item, items_fingerprint, remembered
from trimtab.items.admission import admit_items
from trimtab.items.prompts import prompt_for
from trimtab.progress import SILENT, Progress
from trimtab.steering.artifact import Artifact
from trimtab.steering.gate import may_conflict
from trimtab.steering.learned_gate.chooser import LearnedGateChooser
from trimtab.steering.learned_gate.logistic import fit_logistic
from trimtab.steering.learned_gate.views import read_features
from trimtab.steering.lessons import Lesson, make_lessons
from trimtab.steering.method import Method, register
from trimtab.steering.training_set import ITEMS, TrainingSet

THRESHOLD = 0.25
"""Where nobody says; chosen on validation items of the bundled benchmark."""


@register
@dataclass(frozen=True)
class LearnedGate(Method):
    """Answer from the target alone where a learned gate sees evidence of it, and plainly everywhere else.

    ``gated_drop`` takes an item for a conflict where the model is sure of an answer from each side alone. But a model
    can be sure of an answer that what it is shown does not hold. Here a gate learns what evidence looks like. The model
    is asked four times for the first token of its answer: plainly, with the target alone, without the target, and with
    the question alone. With p_v the distribution of a view, the gate reads phi: log max p_v and log H(p_v) of each
    view, log KL(p_a || p_b) and log p_a(argmax p_b) of each two, and whether their best tokens agree. It opens where

        sigmoid(w . phi + b)  >=  threshold.

    w and b are those of a logistic regression on lessons made of conflict items alone (see ``make_lessons``): it is to
    open where the target is to be followed, and to stay shut where the target's evidence has nothing to do with the
    question. Items with ``relevant`` teach it the others, such as those that need several modalities. Where the sides
    agree either is right, and nothing is taught. Opening and staying shut count alike, and so do the kinds of lessons
    of each.

    Attributes:
        target: The modality to follow.
        threshold: The gate opens from this probability on: lower follows more, and harms more.
        penalty: Of the gate's weights, on inputs of deviation 1.
        seed: Seed of what lessons are made of.
    """

    name: ClassVar[str] = "learned_gate"
    title: ClassVar[str] = "learned gate"
    colour: ClassVar[str] = "#332288"
    compared_with: ClassVar[tuple[str, ...]] = ("none", "gated_drop", "drop", "learned_trim")
    changes_prompt: ClassVar[bool] = True
    needs: ClassVar[frozenset[Capability]] = LearnedGateChooser.needs

    threshold: Share = THRESHOLD
    penalty: Positive = 0.005
    seed: int = 0

    def fit(self, model: ModelOrEngine, items: Sequence[Item] | TrainingSet, progress: Progress = SILENT) -> Artifact:
        """Make lessons of the items, ask them in every view, and fit the gate; see ``Method.fit``."""
        require(model, *self.needs, owner="LearnedGate.fit")
        given = items.given if isinstance(items, TrainingSet) else items
        asked = admit_items(model, given, lambda item: [prompt_for(item)], ITEMS, conflicts=True).require(ITEMS)
        prompts = [own[0] for own in asked.prompts]
        lessons = self._lessons(asked.items, make_lessons(asked.items, prompts, self.target, self.seed))
        parts = []
        with progress.task("ask lessons", len(lessons)) as advance:
            for part in read_features(model, [lesson.prompt for lesson in lessons], self.target):
                parts.append(part.cpu())
                advance(len(part))
        follows, inputs = torch.tensor([lesson.follows for lesson in lessons]), torch.cat(parts)
        weights, bias = fit_logistic(inputs, follows, shares_of(lessons), self.penalty)
        gate = LearnedGateChooser(self.target, weights, bias, self.threshold)
        opens = gate.opening(inputs) >= self.threshold
        return self.artifact(
            model,
            chooser=gate,
            data_fingerprint=items_fingerprint(asked.items),
            fitted_items=remembered(asked.items),
            metrics={
                "train": {
                    "items": len(asked.items),
                    "skipped": len(asked.skipped),
                    "lessons": len(lessons),
                    "opens_where_followed": float(opens[follows].double().mean()),
                    "opens_elsewhere": float(opens[~follows].double().mean()),
                }
            },
        )

    def _lessons(self, items: Sequence[Item], lessons: Sequence[Lesson]) -> list[Lesson]:
        """Keep the lessons in which a gate decides something.

        Raises:
            UsageError: They teach only one of opening and staying shut.
        """
        kept = [one for one in lessons if one.kind != "agreeing" and may_conflict(one.prompt, self.target)]
        if len({one.follows for one in kept}) < 2:
            raise UsageError(
                f"`items` of LearnedGate.fit must hold conflict items of several tasks or questions, with the "
                f"{self.target} and another modality; {len(items)} items gave no pair to learn from; give more."
            )
        # Lessons made of one item have views in common, which are computed once where they are asked together.
        return sorted(kept, key=lambda one: one.items[0])


def shares_of(lessons: Sequence[Lesson]) -> Float[Tensor, " lessons"]:
    """Return how much each lesson counts: both things that are taught alike, and alike the kinds of lessons of each."""
    sizes = Counter((one.follows, one.kind) for one in lessons)
    kinds = Counter(follows for follows, _ in sizes)
    return torch.tensor([0.5 / kinds[one.follows] / sizes[one.follows, one.kind] for one in lessons])
