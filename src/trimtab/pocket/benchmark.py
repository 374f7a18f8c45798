"""The items of pocket-mc2: drawn deterministically from a seed, never stored."""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from trimtab.pocket import bank, wording
from trimtab.pocket.layouts import compose
from trimtab.pocket.scene import Scene
from trimtab.pocket.sentences import CORES, FILLERS, FRAMES, QUESTIONS

TASKS: dict[str, tuple[str, ...]] = {
    "activity_recognition": ("activity",),
    "attribute": ("pattern", "orientation", "size", "shape"),
    "color": ("color",),
    "counting": ("count",),
    "object_recognition": ("object",),
    "positional_reasoning": ("corner", "arrangement"),
    "sentiment_understanding": ("mood",),
    "sport_recognition": ("sport",),
}
"""MC2's eight tasks, and the kinds of question each is made of."""

SPLITS = {"train": 250, "validation": 100, "test": 250}
"""Items a task, by split."""

_THINGS = tuple(bank.OBJECT_PICTURES)
# Of 100 (question, answer pair) combinations, this many belong to train and to validation; the rest is test.
_SHARES = (62, 10)


@dataclass(frozen=True)
class PocketItem:
    """One question about a picture and a text.

    Attributes:
        id: Unique within the benchmark.
        task: One of `TASKS`, or the kind of an unimodal item.
        question: The question.
        context: The text; in a conflict item it supports `answer_text`.
        answer_image: What the picture supports; empty if it supports nothing.
        answer_text: What the text supports (closed-book items: what is true).
        aliases_image: Other spellings of `answer_image`.
        aliases_text: Other spellings of `answer_text`.
        split: "train", "validation" or "test".
        scene: The picture as a value; `scene.render()` draws it.
        agreeing_context: A text that supports `answer_image`.
        irrelevant_context: A text that says nothing of the question.
        choices: Options of the multiple-choice form; always holds the right answer.
        relevant: What is needed to answer: "image", "text" or "both"; "conflict" where each says its own.
    """

    id: str
    task: str
    question: str
    context: str
    answer_image: str
    answer_text: str
    aliases_image: tuple[str, ...]
    aliases_text: tuple[str, ...]
    split: str
    scene: Scene
    agreeing_context: str
    irrelevant_context: str
    choices: tuple[str, ...]
    relevant: str = "conflict"


def _chosen_core(kind: str, split: str, rng: random.Random) -> str:
    return rng.choice(CORES[kind][split])


def _chosen_frame(split: str, rng: random.Random) -> str:
    return rng.choice(FRAMES[split])


def _chosen_fillers(split: str, rng: random.Random, number: int) -> list[str]:
    return rng.sample(FILLERS[split], number)


@dataclass(frozen=True)
class Writer:
    """Who writes the contexts: the benchmark's own sentences, unless training brings others.

    Attributes:
        core: The core of a claim, with slots, for a kind and a split.
        frame: What stands around a core.
        fillers: So many sentences that say nothing.
    """

    core: Callable[[str, str, random.Random], str] = _chosen_core
    frame: Callable[[str, random.Random], str] = _chosen_frame
    fillers: Callable[[str, random.Random, int], list[str]] = _chosen_fillers


_OWN = Writer()


def draw(task: str, split: str, rng: random.Random, number: int = 0, writer: Writer = _OWN) -> PocketItem:
    """Draw one conflict item of a task.

    Args:
        task: One of `TASKS`.
        split: The split whose answer pairs and sentences are used.
        rng: The source of all variation.
        number: Running number for the id.
        writer: Who writes the contexts.
    """
    while True:
        kind = rng.choice(TASKS[task])
        subject, answer_image, answer_text = drawn(kind, rng)
        if split_of(kind, subject, answer_image, answer_text) != split:
            continue
        context = _context(kind, subject, answer_text, split, rng, writer)
        if mentions(context, answer_image):
            continue
        names = _named(kind, subject)
        return PocketItem(
            id=f"{split}-{task}-{number:04d}",
            task=task,
            question=rng.choice(QUESTIONS[kind]).format(**names),
            context=context,
            answer_image=answer_image,
            answer_text=answer_text,
            aliases_image=wording.ALIASES.get(answer_image, ()),
            aliases_text=wording.ALIASES.get(answer_text, ()),
            split=split,
            scene=compose(kind, subject, answer_image, rng),
            agreeing_context=_context(kind, subject, answer_image, split, rng, writer),
            irrelevant_context=" ".join(writer.fillers(split, rng, rng.randint(2, 3))),
            choices=(answer_image, answer_text),
        )


def drawn(kind: str, rng: random.Random) -> tuple[str, str, str]:
    """What a question of this kind is about, and two different answers to it."""
    return _QUESTIONED[kind](rng)


def split_of(kind: str, subject: str, answer_image: str, answer_text: str) -> str:
    """The one split in which this question may have this pair of answers."""
    place = zlib.crc32(f"{kind}|{subject}|{answer_image}|{answer_text}".encode()) % 100
    return "train" if place < _SHARES[0] else "validation" if place < sum(_SHARES) else "test"


def mentions(text: str, answer: str) -> bool:
    """Whether the text contains the answer as whole words."""
    return re.search(rf"(?<![\w-]){re.escape(answer)}(?![\w-])", text, re.IGNORECASE) is not None


def fillers(split: str, rng: random.Random, number: int) -> str:
    """Sentences that say nothing of any question."""
    return " ".join(_chosen_fillers(split, rng, number))


def claim(kind: str, subject: str, answer: str, split: str, rng: random.Random, writer: Writer = _OWN) -> str:
    """One sentence that states the answer, directly or by a hint."""
    core = writer.core(kind, split, rng).format(p=_phrase(kind, subject, answer, rng), **_named(kind, subject))
    sentence = writer.frame(split, rng).format(c=core)
    return sentence[0].upper() + sentence[1:]


def _context(kind: str, subject: str, answer: str, split: str, rng: random.Random, writer: Writer) -> str:
    """A claim among fillers."""
    sentences = writer.fillers(split, rng, rng.choice((1, 1, 1, 2, 2, 3)))
    sentences.insert(rng.randint(0, len(sentences)), claim(kind, subject, answer, split, rng, writer))
    return " ".join(sentences)


def _named(kind: str, subject: str) -> dict[str, str]:
    """What the question and the claim name."""
    if kind == "count":
        return {"s": wording.plural(subject)}
    if kind == "arrangement":
        first, second = subject.split("|")
        return {"s": first, "o": second}
    return {"s": subject}


_HINTS = {
    "sport": wording.SPORT_HINTS,
    "activity": wording.ACTIVITY_HINTS,
    "mood": wording.MOOD_HINTS,
    "color": wording.COLOR_HINTS,
    "pattern": wording.PATTERN_HINTS,
    "orientation": wording.ORIENTATION_HINTS,
    "size": wording.SIZE_HINTS,
    "shape": wording.SHAPE_HINTS,
    "corner": wording.CORNER_HINTS,
}


def _phrase(kind: str, subject: str, answer: str, rng: random.Random) -> str:
    """The answer as it stands in a sentence."""
    if kind == "object":
        return wording.noun_phrase(answer, rng)
    if kind == "count":
        return wording.counted(subject, answer, rng)
    if kind == "arrangement":
        return rng.choice(wording.ARRANGEMENT_HINTS[answer])
    if rng.random() < 0.5:
        return rng.choice(_HINTS[kind][answer])
    if kind == "corner":
        return f"in the {answer}"
    return "medium in size" if answer == "medium" else answer


def _plain(subjects: tuple[str, ...], answers: tuple[str, ...]) -> Callable[[random.Random], tuple[str, str, str]]:
    def drawer(rng: random.Random) -> tuple[str, str, str]:
        subject = rng.choice(subjects)
        first, second = rng.sample(answers, 2)
        return subject, first, second

    return drawer


def _object(rng: random.Random) -> tuple[str, str, str]:
    group = bank.GROUP_OF[rng.choice(_THINGS)]
    first, second = rng.sample(tuple(bank.OBJECTS[group]), 2)
    return group, first, second


def _arrangement(rng: random.Random) -> tuple[str, str, str]:
    subject = "|".join(rng.sample(_THINGS, 2))
    first, second = rng.sample(bank.ARRANGEMENTS, 2)
    return subject, first, second


_QUESTIONED: dict[str, Callable[[random.Random], tuple[str, str, str]]] = {
    "activity": _plain(("",), tuple(bank.ACTIVITIES)),
    "pattern": _plain(bank.PRINTABLE, bank.PATTERNS),
    "orientation": _plain(tuple(bank.TURNABLE), bank.ORIENTATIONS),
    "size": _plain(tuple(bank.TURNABLE), bank.SIZES),
    "shape": _plain(_THINGS, bank.SHAPES),
    "color": _plain(tuple(bank.DYEABLE), tuple(bank.COLORS)),
    "count": _plain(tuple(bank.COUNTABLE), bank.NUMBERS),
    "object": _object,
    "corner": _plain(_THINGS, bank.CORNERS),
    "arrangement": _arrangement,
    "mood": _plain(("",), tuple(bank.MOODS)),
    "sport": _plain(("",), tuple(bank.SPORTS)),
}
