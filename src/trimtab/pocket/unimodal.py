"""Items whose answer needs the image only, knowledge only, or image and text together."""

from __future__ import annotations

import random
from collections.abc import Callable

from trimtab.pocket import bank, wording
from trimtab.pocket.benchmark import PocketItem, claim, draw, fillers, mentions, split_of
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

OWNERS = bank.words(
    """
    Tom Anna Rex Lucy Max Bella Oscar Mia Felix Nora Hugo Clara Leo Ruby Simon Alice Peter Emma Victor Julia
    """
)
"""First names."""

_BOTH = {
    "train": ("The {s} is called {n}.", "The {s} belongs to {n}.", "{n} is the one with the {s}."),
    "validation": ("The {s} goes by the name of {n}.", "The {s} is owned by {n}."),
    "test": ("The {s} has the name {n}.", "The {s} is that of {n}."),
}
_BOTH_QUESTIONS = ("Whose name goes with the {g} in the picture?", "Which name belongs to the {g} in the picture?")
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


def both(split: str, rng: random.Random, number: int = 0) -> PocketItem:
    """The text says which name goes with which thing, the picture shows the thing asked about."""
    while True:
        group = rng.choice(tuple(bank.OBJECTS))
        things, names = rng.sample(tuple(bank.OBJECTS[group]), 3), rng.sample(OWNERS, 3)
        if split_of("both", "", things[0], names[0]) == split:
            break
    pattern = rng.choice(_BOTH[split])
    sentences = [pattern.format(s=thing, n=name) for thing, name in zip(things, names, strict=True)]
    if rng.random() < 0.5:
        sentences.pop()
    rng.shuffle(sentences)
    return PocketItem(
        id=f"{split}-both-{number:04d}",
        task="both",
        question=rng.choice(_BOTH_QUESTIONS).format(g=group),
        context=f"{' '.join(sentences)} {fillers(split, rng, 1)}",
        answer_image=names[0],
        answer_text=names[0],
        aliases_image=(),
        aliases_text=(),
        split=split,
        scene=compose("object", "", things[0], rng),
        agreeing_context="",
        irrelevant_context=fillers(split, rng, rng.randint(2, 4)),
        choices=tuple(rng.sample(names, 3)),
        relevant="both",
    )


DRAWERS: dict[str, Callable[[str, random.Random, int], PocketItem]] = {
    "classification": classification,
    "closed_book": closed_book,
    "both": both,
}
