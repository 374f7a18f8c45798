"""Where a reply mentions known answers, word by word, and whether a mention is denied."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from trimtab.data.words import Word, normalise, singular

Fold = Callable[[str], str]
Key = tuple[str, ...]

# fmt: off
NEGATORS = frozenset({
    "not", "no", "never", "neither", "nor", "without", "cannot", "cant", "isnt", "arent", "wasnt",
    "werent", "dont", "doesnt", "didnt", "wont", "wouldnt", "couldnt", "hasnt", "havent", "aint",
    "than",
})
# fmt: on
# "not only a cat", "no doubt a cat" and "not just a cat" do not deny the cat.
_NO_DENIAL_BEFORE = frozenset({"only", "doubt", "just", "merely"})
# A denial does not reach past these: "not a dog but a cat".
_DENIAL_ENDS = frozenset({"but", "and", "instead", "rather", "so", "because", "although", "while", "whereas"})
# How many words before a mention may stand between it and its denial: "does not look like a happy ...".
DENIAL_REACH = 4
# Verbs that add nothing to what is done: "playing tennis" answers "tennis".
_LIGHT_VERBS = frozenset({"playing", "practicing", "performing", "doing"})


class Phrase(NamedTuple):
    """An answer to look for: its folded words, and whether it asserts or denies them ("not eating")."""

    key: Key
    denied: bool


class Mention(NamedTuple):
    """A phrase found in words ``start`` to ``end`` (exclusive) of a reply."""

    phrase: Phrase
    start: int
    end: int


def fold_that_tells_apart(answers: Iterable[str]) -> Fold:
    """Plurals count as singulars, unless that is the very difference between two of the answers."""
    phrases = [phrase_of(answer, singular) for answer in answers]
    return singular if len(set(phrases)) == len(phrases) else _as_written


def phrase_of(answer: str, fold: Fold) -> Phrase:
    """The phrase that an answer looks for; a leading "not" makes it a denial. Empty if it has no words."""
    spoken = normalise(answer).split()
    denied = len(spoken) > 1 and spoken[0] in NEGATORS
    return Phrase(tuple(fold(word) for word in spoken[denied:]), denied)


def short_form(phrase: Phrase) -> Phrase:
    """The phrase without a leading verb that adds nothing: "tennis" for "playing tennis"."""
    adds_nothing = len(phrase.key) > 1 and phrase.key[0] in _LIGHT_VERBS
    return phrase._replace(key=phrase.key[1:]) if adds_nothing else phrase


def find_mentions(spoken: Sequence[Word], keys: Collection[Key], fold: Fold) -> list[Mention]:
    """All mentions of known phrases in a reply, in its order, none overlapping; longer phrases win."""
    folded = tuple(fold(word.text) for word in spoken)
    taken: set[int] = set()
    found: list[Mention] = []
    for length in sorted({len(key) for key in keys if key}, reverse=True):
        for start in range(len(folded) - length + 1):
            span = range(start, start + length)
            if folded[start : start + length] in keys and taken.isdisjoint(span):
                taken.update(span)
                phrase = Phrase(folded[start : start + length], _is_denied(spoken, start))
                found.append(Mention(phrase, start, start + length))
    return sorted(found, key=lambda mention: mention.start)


def _as_written(word: str) -> str:
    return word


def _is_denied(spoken: Sequence[Word], start: int) -> bool:
    """Whether a word shortly before ``start``, in the same clause, denies what starts there."""
    for index in range(start - 1, max(start - 2 - DENIAL_REACH, -1), -1):
        word = spoken[index]
        if word.clause != spoken[start].clause:
            return False
        if word.text in NEGATORS and spoken[index + 1].text not in _NO_DENIAL_BEFORE:
            return True
        if word.text == "of" and index > 0 and spoken[index - 1].text == "instead":
            return True
        if word.text in _DENIAL_ENDS:
            return False
    return False
