"""Where a reply mentions known answers, word by word."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import NamedTuple

from trimtab.items.denials import NEGATORS, denied_after, denied_before
from trimtab.items.words import Word, singular, words

Fold = Callable[[str], str]
Key = tuple[str, ...]

# Verbs that add nothing to what is done: "playing tennis" answers "tennis".
_LIGHT_VERBS = frozenset({"playing", "practicing", "performing", "doing"})


class Phrase(NamedTuple):
    """An answer to look for: its folded words, and whether it asserts or denies them ("not eating")."""

    key: Key
    denied: bool


class Mention(NamedTuple):
    """A phrase found in words ``start`` to ``end`` (exclusive) of a reply; ``asked`` if it stands in a question."""

    phrase: Phrase
    start: int
    end: int
    asked: bool = False


def fold_that_tells_apart(answers: Iterable[str]) -> Fold:
    """Plurals count as singulars, unless that is the very difference between two of the answers."""
    phrases = [phrase_of(answer, singular) for answer in answers]
    return singular if len(set(phrases)) == len(phrases) else _as_written


def phrase_of(answer: str, fold: Fold) -> Phrase:
    """The phrase that an answer looks for; a leading "not" makes it a denial. Empty if it has no words."""
    spoken = [word.text for word in words(answer)]
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
    spans: list[tuple[int, int]] = []
    for length in sorted({len(key) for key in keys if key}, reverse=True):
        for start in range(len(folded) - length + 1):
            span = range(start, start + length)
            if folded[start : start + length] in keys and taken.isdisjoint(span):
                taken.update(span)
                spans.append((start, start + length))
    spans.sort()
    following = [*(start for start, _ in spans[1:]), len(folded)]
    return [
        Mention(Phrase(folded[start:end], _is_denied(spoken, start, end, after)), start, end, spoken[start].asked)
        for (start, end), after in zip(spans, following, strict=False)
    ]


def _as_written(word: str) -> str:
    return word


def _is_denied(spoken: Sequence[Word], start: int, end: int, following: int) -> bool:
    return denied_before(spoken, start) or denied_after(spoken, end, following)
