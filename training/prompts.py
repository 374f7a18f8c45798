"""What the models are trained on: prompts under conditions, drawn from the step number.

No prompt holds a conflict without an instruction: which modality wins then must emerge.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, replace

from training.carriers import LOOSE, loose_request
from training.orders import order
from trimtab.engine import Prompt
from trimtab.pocket import PocketItem, Scene, instructions_for
from trimtab.pocket.benchmark import draw
from trimtab.pocket.unimodal import both, classification, closed_book

LETTERS = "ABCD"
# What is harder to see is shown more often.
SEEN_SHARES = {
    "activity_recognition": 0.8,
    "attribute": 4.5,
    "color": 0.4,
    "counting": 4.5,
    "object_recognition": 1.5,
    "positional_reasoning": 3.0,
    "sentiment_understanding": 0.8,
    "sport_recognition": 0.8,
}
_READ_SHARES = {
    "activity_recognition": 2.5,
    "attribute": 0.8,
    "color": 2.5,
    "counting": 0.5,
    "object_recognition": 4.0,
    "positional_reasoning": 0.8,
    "sentiment_understanding": 2.5,
    "sport_recognition": 2.0,
}
_LOOSE_REQUESTS = 0.6
_MORE_OPTIONS = 0.4  # share of choice questions with more than two options


@dataclass(frozen=True)
class Example:
    """A prompt and its answer.

    Attributes:
        body: The text of the turn.
        scene: The picture, if any.
        answer: What to learn.
        told: Which modality an instruction named, if that decides the answer.
        options: The options of a choice.
    """

    body: str
    scene: Scene | None
    answer: str
    told: str | None = None
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mixture:
    """How many prompts of each sort one step has.

    Attributes:
        items: So many items asked from their picture (sometimes also with an agreeing text), and as many from
            their text.
        instructed: Conflicts asked twice, with an instruction to follow the image and with one to follow the text,
            so that nothing but the instruction tells which answer is right.
        closed_book: Facts that neither modality tells.
        both: Questions that need both modalities.
        classification: Pictures with four options.
        chosen: Items asked from their text in choice form.
        choice_share: Share of the other questions in choice form.
        ordered_share: Share of the agreeing texts with an instruction, which then changes nothing.
    """

    items: int = 20
    instructed: int = 0
    closed_book: int = 3
    both: int = 4
    classification: int = 2
    chosen: int = 0
    choice_share: float = 0.12
    ordered_share: float = 0.4


def step_examples(mixture: Mixture, rng: random.Random) -> list[Example]:
    """Draw the prompts of one training step."""
    examples: list[Example] = []
    share = mixture.choice_share
    for _ in range(mixture.items):
        seen, read = draw_item(SEEN_SHARES, rng), draw_item(_READ_SHARES, rng)
        examples.append(example(seen, "image" if rng.random() < 0.7 else "irrelevant", rng, share))
        examples.append(example(read, "text", rng, share))
        if rng.random() < 0.25:
            examples.append(example(seen, "agreeing", rng, share, mixture.ordered_share))
    for _ in range(mixture.instructed):
        item = draw_item(_READ_SHARES, rng)
        examples += [instructed(item, target, "train", rng, share) for target in ("image", "text")]
    examples += [example(draw_item(_READ_SHARES, rng), "text", rng, 1.0) for _ in range(mixture.chosen)]
    examples += [_knowledge(rng) for _ in range(mixture.closed_book)]
    examples += [_joined(rng, share) for _ in range(mixture.both)]
    examples += [classified(rng) for _ in range(mixture.classification)]
    return examples


def example(
    item: PocketItem, condition: str, rng: random.Random, choice_share: float = 0.0, ordered_share: float = 0.4
) -> Example:
    """Ask an item under a condition that has one right answer.

    Args:
        item: The item.
        condition: "image" (no text), "text" (no image), "agreeing" or "irrelevant" (image with text).
        rng: Decides on form and order.
        choice_share: Share of questions in choice form.
        ordered_share: Share of agreeing texts with an instruction, if there are choices at all.
    """
    context = {
        "image": None,
        "text": item.context,
        "agreeing": item.agreeing_context,
        "irrelevant": item.irrelevant_context,
    }[condition]
    answer, wrong = item.answer_image, item.answer_text
    if condition == "text":
        answer, wrong = wrong, answer
    instruction = None
    if condition == "agreeing" and choice_share and rng.random() < ordered_share:  # words met before they matter
        instruction = order(rng.choice(("image", "text")), rng)
    return _form(
        item, None if condition == "text" else item.scene, context, instruction, answer, wrong, rng, choice_share
    )


def instructed(item: PocketItem, target: str, split: str, rng: random.Random, choice_share: float = 0.0) -> Example:
    """Ask a conflict item under an instruction to follow one modality."""
    answer, wrong = item.answer_image, item.answer_text
    if target == "text":
        answer, wrong = wrong, answer
    instruction = order(target, rng) if split == "train" else rng.choice(instructions_for(target, split))
    asked = _form(item, item.scene, item.context, instruction, answer, wrong, rng, choice_share)
    return replace(asked, told=target)


def conflict(item: PocketItem, answer: str) -> Example:
    """Ask a conflict item without an instruction; for evaluation only."""
    return Example(Prompt(item.question, context=item.context).body()[0], item.scene, answer)


def chosen(
    item: PocketItem, scene: Scene | None, context: str | None, answer: str, options: tuple[str, ...]
) -> Example:
    """Ask in choice form; the answer is a letter."""
    body = Prompt(item.question, context=context, choices=options).body()[0]
    return Example(body, scene, LETTERS[options.index(answer)], options=options)


def _form(
    item: PocketItem,
    scene: Scene | None,
    context: str | None,
    instruction: str | None,
    answer: str,
    wrong: str,
    rng: random.Random,
    choice_share: float,
) -> Example:
    """Put the question openly or, for a share of them, in choice form."""
    if rng.random() >= choice_share:
        body = Prompt(item.question, context=context, instruction=instruction).body()[0]
        return Example(body, scene, answer)
    options = _options(item, answer, wrong, rng)
    body = Prompt(item.question, context=context, instruction=instruction, choices=options).body()[0]
    return Example(body, scene, LETTERS[options.index(answer)], options=options)


def _options(item: PocketItem, answer: str, wrong: str, rng: random.Random) -> tuple[str, ...]:
    """The two answers in any order, sometimes among others of the same task."""
    options = {answer: None, wrong: None}
    if rng.random() < _MORE_OPTIONS:
        for _ in range(rng.randint(1, 2)):
            options[draw(item.task, "train", rng, writer=LOOSE).answer_image] = None
    return tuple(rng.sample(list(options), len(options)))


def draw_item(shares: dict[str, float], rng: random.Random) -> PocketItem:
    """Draw a training item of a task, tasks by their shares."""
    return draw(rng.choices(list(shares), list(shares.values()))[0], "train", rng, writer=LOOSE)


def _knowledge(rng: random.Random) -> Example:
    """A fact: without a picture, or with one that has nothing to do with it; with or without fillers."""
    item = closed_book("train", rng)
    scene = item.scene if rng.random() < 0.4 else None
    context = item.irrelevant_context if rng.random() < 0.2 else None
    if rng.random() < 0.3:
        return chosen(item, scene, context, item.answer_text, item.choices)
    return Example(Prompt(item.question, context=context).body()[0], scene, item.answer_text)


def joint(item: PocketItem, scene: Scene | None) -> Example:
    """A question that needs both modalities, openly."""
    return Example(Prompt(item.question, context=item.context).body()[0], scene, item.answer_text)


def _joined(rng: random.Random, choice_share: float) -> Example:
    item = both("train", rng, sentence=loose_request) if rng.random() < _LOOSE_REQUESTS else both("train", rng)
    if rng.random() < choice_share:
        return chosen(item, item.scene, item.context, item.answer_text, item.choices)
    return joint(item, item.scene)


def classified(rng: random.Random) -> Example:
    """Ask what a picture shows, out of four options; sometimes beside an irrelevant text."""
    item = classification("train", rng)
    context = item.irrelevant_context if rng.random() < 0.3 else None
    return chosen(item, item.scene, context, item.answer_image, item.choices)
