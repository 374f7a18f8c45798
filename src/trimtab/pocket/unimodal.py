"""Items whose answer needs the image only, knowledge only, or image and text together."""

from __future__ import annotations

import random
from collections.abc import Callable

from trimtab.pocket import bank, wording
from trimtab.pocket.benchmark import PocketItem, claim, draw, drawn, fillers, mentions, split_of
from trimtab.pocket.layouts import compose


def _facts(table: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """Read lines `pattern: key answer, key answer` into questions with all answers of their line."""
    facts = []
    for line in table.strip().splitlines():
        pattern, pairs = line.split(":")
        entries = [entry.strip().split("=") for entry in pairs.split(",")]
        options = tuple(dict.fromkeys(answer for _, answer in entries))
        facts += [(f"{pattern.strip().format(key)}?", answer, options) for key, answer in entries]
    return facts


FACTS = _facts("""
What is the capital of {}: France=Paris, Italy=Rome, Spain=Madrid, Japan=Tokyo, Egypt=Cairo, Germany=Berlin, \
Greece=Athens, Peru=Lima, Cuba=Havana, Norway=Oslo, Russia=Moscow, China=Beijing
What is the opposite of {}: hot=cold, big=small, young=old, early=late, open=closed, rich=poor, fast=slow, \
wet=dry, full=empty, hard=soft
Which day comes after {}: Monday=Tuesday, Tuesday=Wednesday, Wednesday=Thursday, Thursday=Friday, \
Friday=Saturday, Saturday=Sunday, Sunday=Monday
What is the young of a {} called: cow=calf, dog=puppy, cat=kitten, sheep=lamb, horse=foal, bear=cub, \
goose=gosling
What is the past tense of {}: go=went, see=saw, eat=ate, take=took, give=gave, find=found, write=wrote, \
swim=swam
Which language is spoken in {}: Brazil=Portuguese, Austria=German, Mexico=Spanish, Canada=English, \
Belgium=French, Cyprus=Greek
What do you get from a {}: mine=coal, bakery=bread, dairy=milk, hive=honey, vineyard=wine, forest=wood
Who works in a {}: school=teacher, hospital=doctor, court=judge, kitchen=cook, garage=mechanic, theater=actor
""")
"""Closed-book facts: question, answer, and the answers of its kind."""

ASKERS = bank.words(
    """
    Tom Anna Rex Lucy Max Bella Oscar Mia Felix Nora Hugo Clara Leo Ruby Simon Alice Peter Emma Victor Julia
    """
)
"""First names."""

WANTED = {
    "object": ("the kind of thing", "what kind of thing it is"),
    "count": ("the number", "how many there are"),
    "color": ("the color", "what color it has"),
    "pattern": ("the pattern", "what pattern it has"),
    "orientation": ("the orientation", "how it stands"),
    "size": ("the size", "what size it is"),
    "shape": ("the shape", "what shape is behind it"),
    "corner": ("the place", "where it is"),
}
"""What the text of an item that needs both can ask about, in words."""

_REQUESTS = {
    "train": ("{n} wants to know {w}.", "{n} asked about {w}.", "The task is to name {w}.", "Only {w} matters to {n}."),
    "validation": ("{n} would like to hear {w}.", "It is {w} that {n} has in mind."),
    "test": ("{n} is curious about {w}.", "What {n} hopes to learn is {w}."),
}
_BOTH_QUESTIONS = ("What is the answer to this request?", "What should the answer be, judging by the picture?")
_CLASSIFY = (
    "What type of object is in this photo?",
    "What is shown in this photo?",
    "Which of these is in the picture?",
)


def classification(split: str, rng: random.Random, number: int = 0) -> PocketItem:
    """What is in the picture, out of four; the context misleads towards a wrong option."""
    while True:
        options = rng.sample(tuple(bank.OBJECT_PICTURES), 4)
        label, wrong = options[:2]
        group = bank.GROUP_OF[wrong]
        lie = f"{claim('object', group, wrong, split, rng)} {fillers(split, rng, 1)}"
        if split_of("classification", "", label, wrong) == split and not mentions(lie, label):
            break
    rng.shuffle(options)
    return PocketItem(
        id=f"{split}-classification-{number:04d}",
        task="classification",
        question=rng.choice(_CLASSIFY),
        context=lie,
        answer_image=label,
        answer_text=wrong,
        aliases_image=wording.ALIASES.get(label, ()),
        aliases_text=wording.ALIASES.get(wrong, ()),
        split=split,
        scene=compose("object", "", label, rng),
        agreeing_context=f"{claim('object', bank.GROUP_OF[label], label, split, rng)} {fillers(split, rng, 1)}",
        irrelevant_context=fillers(split, rng, rng.randint(2, 4)),
        choices=tuple(options),
        relevant="image",
    )


def closed_book(split: str, rng: random.Random, number: int = 0) -> PocketItem:
    """A fact the models were taught, beside a picture that has nothing to do with it."""
    question, answer, options = rng.choice(FACTS)
    wrong = rng.sample([option for option in options if option != answer], 3)
    choices = [answer, *wrong]
    rng.shuffle(choices)
    return PocketItem(
        id=f"{split}-closed_book-{number:04d}",
        task="closed_book",
        question=question,
        context="",
        answer_image="",
        answer_text=answer,
        aliases_image=(),
        aliases_text=(),
        split=split,
        scene=draw("object_recognition", split, rng).scene,
        agreeing_context="",
        irrelevant_context=fillers(split, rng, rng.randint(2, 4)),
        choices=tuple(choices),
        relevant="text",
    )


def request(split: str, rng: random.Random) -> str:
    """Draw a sentence that asks, with slots `{n}` for who and `{w}` for what."""
    return rng.choice(_REQUESTS[split])


def both(
    split: str, rng: random.Random, number: int = 0, sentence: Callable[[str, random.Random], str] = request
) -> PocketItem:
    """The text says what is asked, the picture has the answer: without the text, two answers fit the picture.

    Args:
        split: The split whose answers and sentences are used.
        rng: The source of all variation.
        number: Running number for the id.
        sentence: Draws the sentence that asks.
    """
    while True:
        kind = rng.choice([kind for kind in WANTED if kind != "object"])
        subject, value, other_value = drawn(kind, rng)
        if subject in bank.GROUP_OF and split_of("both", kind, subject, value) == split:
            break
    other = rng.choice([thing for thing in bank.OBJECTS[bank.GROUP_OF[subject]] if thing != subject])
    wanted, answer = rng.choice(((kind, value), ("object", subject)))
    asked = sentence(split, rng).format(n=rng.choice(ASKERS), w=rng.choice(WANTED[wanted]))
    sentences = [asked[0].upper() + asked[1:], fillers(split, rng, 1)]
    rng.shuffle(sentences)
    return PocketItem(
        id=f"{split}-both-{number:04d}",
        task="both",
        question=rng.choice(_BOTH_QUESTIONS),
        context=" ".join(sentences),
        answer_image=answer,
        answer_text=answer,
        aliases_image=wording.ALIASES.get(answer, ()),
        aliases_text=wording.ALIASES.get(answer, ()),
        split=split,
        scene=compose(kind, subject, value, rng),
        agreeing_context="",
        irrelevant_context=fillers(split, rng, rng.randint(2, 4)),
        choices=tuple(rng.sample((value, other_value, subject, other), 4)),
        relevant="both",
    )


DRAWERS: dict[str, Callable[[str, random.Random, int], PocketItem]] = {
    "classification": classification,
    "closed_book": closed_book,
    "both": both,
}
