"""What the model with new eyes is trained on: every prompt has one right answer, and none holds a conflict."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from training.carriers import LOOSE
from training.prompts import SEEN_SHARES, Example, Mixture, classified, draw_item, example, step_examples
from trimtab.pocket.benchmark import draw

_OF_PEOPLE = ("activity_recognition", "sentiment_understanding", "sport_recognition")
_OF_THINGS = ("attribute", "color", "counting", "positional_reasoning")
"""Tasks whose pictures have no answer to a question of the other kind."""


@dataclass(frozen=True)
class Size:
    """How much one step sees, and how many there are.

    Attributes:
        word_steps: Steps of the first stage.
        steps: Steps of the second.
        unit: Prompts of a step, in elevens.
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
        """The prompts of one step but for those beside a stray picture."""
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
    "cuda": Size(word_steps=1500, steps=2400, unit=12, kept=16, own_texts=4096),
    "cpu": Size(word_steps=1000, steps=3000, unit=2, kept=3, own_texts=512),
}


def draw_examples(size: Size, rng: random.Random) -> list[Example]:
    """Draw the prompts of one step: seen, read, irrelevant and agreeing text, stray pictures, both, choices."""
    return step_examples(size.mixture, rng) + [beside_stray_picture(rng) for _ in range(size.unit)]


def seeing_examples(size: Size, rng: random.Random) -> list[Example]:
    """Draw pictures alone, about as many as ``draw_examples`` has prompts."""
    seen = [example(draw_item(SEEN_SHARES, rng), "image", rng) for _ in range(10 * size.unit)]
    return seen + [classified(rng) for _ in range(size.unit)]


def beside_stray_picture(rng: random.Random) -> Example:
    """Ask an item from its text, beside a picture that says nothing of it: things beside people, or the reverse."""
    about, beside = rng.sample((_OF_PEOPLE, _OF_THINGS), 2)
    asked = example(draw(rng.choice(about), "train", rng, writer=LOOSE), "text", rng, 0.2)
    return replace(asked, scene=draw(rng.choice(beside), "train", rng).scene)
