"""What the model with new eyes is trained on: every prompt has one right answer, and none holds a conflict."""

from __future__ import annotations

import random
from dataclasses import dataclass

from training.prompts import SEEN_SHARES, Example, Mixture, classified, draw_item, example, step_examples


@dataclass(frozen=True)
class Size:
    """How much one step sees, and how many there are.

    Attributes:
        word_steps: Steps of the first stage.
        steps: Steps of the second.
        unit: Prompts of a step, in tens.
        kept: Rows of the language model's own text in a step.
        own_texts: How many of these it writes, once.
    """

    word_steps: int
    steps: int
    unit: int
    kept: int
    own_texts: int

    @property
    def mixture(self) -> Mixture:
        """The prompts of one step."""
        unit = self.unit
        return Mixture(
            items=3 * unit,
            closed_book=max(1, unit // 4),
            both=2 * unit,
            classification=max(1, unit // 2),
            chosen=max(1, unit // 2),
            choice_share=0.2,
            ordered_share=0.0,
        )


SIZES = {
    "cuda": Size(word_steps=500, steps=430, unit=12, kept=16, own_texts=2048),
    "cpu": Size(word_steps=1000, steps=3000, unit=2, kept=3, own_texts=512),
}


def draw_examples(size: Size, rng: random.Random) -> list[Example]:
    """Draw the prompts of one step: seen, read, irrelevant and agreeing text, facts, both, choices.

    Texts beside a picture that says nothing of them are left out on purpose: with an eleventh of these, the model
    answered nine tenths of conflicts and more from the text.
    """
    return step_examples(size.mixture, rng)


def seeing_examples(size: Size, rng: random.Random) -> list[Example]:
    """Draw pictures alone, about as many as ``draw_examples`` has prompts."""
    seen = [example(draw_item(SEEN_SHARES, rng), "image", rng) for _ in range(10 * size.unit)]
    return seen + [classified(rng) for _ in range(size.unit)]
