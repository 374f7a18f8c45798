"""What is taught: conflicts, in which the target is to be followed, and questions that are to be left alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trimtab.engine import Prompt
from trimtab.items import Item
from trimtab.modalities import SHOWN, Modality, others
from trimtab.steering.gate import may_conflict, target_alone

Kind = Literal["conflict", "swapped", "no_target", "no_other", "agreeing", "target_only", "other_only", "given"]

SHARES: dict[Kind, float] = {
    "swapped": 1.0,
    "no_target": 1.5,
    "no_other": 1.0,
    "agreeing": 0.4,
    "target_only": 0.3,
    "other_only": 0.3,
}
"""Lessons made of each kind, at most, as a share of the conflict items."""


@dataclass(frozen=True, eq=False)
class Lesson:
    """A question, and the question whose plain answer is to be given to it.

    Attributes:
        kind: ``conflict``: an item as it is; ``swapped``: it, with another item's evidence of the target that was given
            for the very same question and supports another answer; ``no_target``: with evidence of the target that has
            nothing to do with the question; ``no_other``: with such evidence of the other modalities; ``agreeing``:
            with another modality that supports the target's answer; ``target_only``, ``other_only``: without the
            others, or without the target; ``given``: an item that says what is ``relevant``, as it is.
        prompt: What is asked.
        teacher: What is asked instead to learn what to answer: with the target alone where the target is to be
            followed, else the prompt itself.
        items: Places of the items that it was made of.
    """

    kind: Kind
    prompt: Prompt
    teacher: Prompt
    items: tuple[int, ...]

    @property
    def follows(self) -> bool:
        """Whether the answer is to be another than the unsteered one."""
        return self.teacher is not self.prompt


def make_lessons(items: Sequence[Item], prompts: Sequence[Prompt], target: Modality, seed: int = 0) -> list[Lesson]:
    """Make conflicts and controls of items, of conflict items alone if there are no others.

    The answers that items are annotated with say which is which; no model is asked. A conflict item is one without
    ``relevant`` whose prompt has the target and another modality. All controls are made by giving it another item's
    evidence, or less evidence. Evidence is taken to have nothing to do with a question if it was given for another
    task, or, where there is one task, for another question.

    An item with ``relevant`` is kept as it is. The target is to be followed in it if the target is all that is
    relevant; otherwise it is left alone, as are items that need several modalities.

    Args:
        items: Training items.
        prompts: Their prompts.
        target: The modality to follow.
        seed: Seed of what is joined with what.

    Returns:
        The lessons, kind by kind. ``SHARES`` says how many of each are made, where there are enough to join.
    """
    maker = _Maker(items, prompts, target, random.Random(f"lessons {seed}"))
    return [*maker.conflicts(), *maker.given(), *(lesson for kind in SHARES for lesson in maker.made(kind))]


class _Maker:
    """Makes the lessons of some items."""

    def __init__(self, items: Sequence[Item], prompts: Sequence[Prompt], target: Modality, rng: random.Random) -> None:
        self.items, self.prompts, self.rng = items, prompts, rng
        self.target: Modality = target
        self.whole = [k for k, item in enumerate(items) if item.relevant is None and may_conflict(prompts[k], target)]
        self.one_task = len({items[k].task for k in self.whole}) < 2

    def conflicts(self) -> Iterator[Lesson]:
        """Yield the conflict items as they are."""
        for k in self.whole:
            yield self._followed("conflict", self.prompts[k], k)

    def given(self) -> Iterator[Lesson]:
        """Yield the items with ``relevant``."""
        for k, item in enumerate(self.items):
            prompt = self.prompts[k]
            if item.relevant == (self.target,) and may_conflict(prompt, self.target):
                yield self._followed("given", prompt, k)
            elif item.relevant is not None:
                yield Lesson("given", prompt, prompt, (k,))

    def made(self, kind: Kind) -> Iterator[Lesson]:
        """Yield as many lessons of a kind as its share says, or as can be made."""
        make: dict[Kind, Callable[[int], Lesson | None]] = {
            "swapped": self._swapped,
            "no_target": self._no_target,
            "no_other": self._no_other,
            "agreeing": self._agreeing,
            "target_only": lambda k: self._left("target_only", target_alone(self.prompts[k], self.target), k),
            "other_only": lambda k: self._left("other_only", self.prompts[k].without(self.target), k),
        }
        wanted = round(SHARES[kind] * len(self.whole))
        while wanted > 0:
            tried = self.rng.sample(self.whole, len(self.whole))
            found = [lesson for lesson in map(make[kind], tried) if lesson is not None][:wanted]
            yield from found
            wanted = wanted - len(found) if found else 0

    def _swapped(self, k: int) -> Lesson | None:
        own = self.items[k]
        taken = {own.answer_of(name) for name in others(self.target, own.modalities)}
        donor = self._donor(
            lambda j: self.items[j].question == own.question and self.items[j].answer_of(self.target) not in taken, k
        )
        if donor is None:
            return None
        return self._followed("swapped", self._with(k, donor, [self.target]), k, donor)

    def _no_target(self, k: int) -> Lesson | None:
        donor = self._donor(lambda j: self._unrelated(k, j), k)
        return None if donor is None else self._left("no_target", self._with(k, donor, [self.target]), k, donor)

    def _no_other(self, k: int) -> Lesson | None:
        donor = self._donor(lambda j: self._unrelated(k, j), k)
        if donor is None:
            return None
        return self._followed("no_other", self._with(k, donor, self._others(k)), k, donor)

    def _agreeing(self, k: int) -> Lesson | None:
        own, other = self.items[k], self._others(k)[0]
        right = own.answer_of(self.target)
        donor = self._donor(lambda j: self.items[j].task == own.task and self.items[j].answer_of(other) == right, k)
        if donor is None:
            return None
        prompt = self._with(k, donor, [other])
        for rest in others(self.target, prompt.modalities):
            prompt = prompt if rest == other else prompt.without(rest)
        return self._left("agreeing", prompt, k, donor)

    def _others(self, k: int) -> list[Modality]:
        return list(others(self.target, self.prompts[k].modalities))

    def _unrelated(self, k: int, j: int) -> bool:
        own, other = self.items[k], self.items[j]
        return other.question != own.question if self.one_task else other.task != own.task

    def _donor(self, fits: Callable[[int], bool], k: int) -> int | None:
        shown = self.prompts[k].modalities
        fitting = [j for j in self.whole if j != k and self.prompts[j].modalities == shown and fits(j)]
        return self.rng.choice(fitting) if fitting else None

    def _with(self, k: int, donor: int, names: Sequence[Modality]) -> Prompt:
        """Return a prompt with another's evidence of some modalities."""
        prompt, other = self.prompts[k], self.prompts[donor]
        for name in names:
            shown = name in SHOWN
            prompt = prompt.with_media(name, other.media[name]) if shown else replace(prompt, context=other.context)
        return prompt

    def _followed(self, kind: Kind, prompt: Prompt, *items: int) -> Lesson:
        return Lesson(kind, prompt, target_alone(prompt, self.target), items)

    def _left(self, kind: Kind, prompt: Prompt, *items: int) -> Lesson:
        return Lesson(kind, prompt, prompt, items)
