"""Words of a reply or an answer, in one comparable form.

Case, punctuation, articles, typographic variants and "1" for "one" are taken out here, once, so that
everything that compares answers compares words and never substrings ("ant" is not in "elephant").
"""

from __future__ import annotations

import unicodedata
from typing import NamedTuple

# fmt: off
NUMBER_WORDS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
    "twenty",
)
# fmt: on
_DIGITS_TO_WORD = {str(value): word for value, word in enumerate(NUMBER_WORDS)}
_ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = frozenset("'’‘ʼ`")
_CLAUSE_ENDS = frozenset(".,;:!?()[]\n—…。，；：！？、")

_IRREGULAR_PLURALS = {
    "people": "person",
    "men": "man",
    "women": "woman",
    "children": "child",
    "geese": "goose",
    "mice": "mouse",
    "feet": "foot",
    "teeth": "tooth",
    "knives": "knife",
    "wolves": "wolf",
    "leaves": "leaf",
    "loaves": "loaf",
    "shelves": "shelf",
    "scarves": "scarf",
    "calves": "calf",
}
# A word this short that ends in "s" is nearly always no plural: bus, gas, yes, is.
_SHORTEST_PLURAL = 4
# "tomatoes" loses "es" but "shoes" only "s": the stem tells them apart by its length.
_SHORTEST_O_STEM = 4


class Word(NamedTuple):
    """A word and the number of the clause it stands in; punctuation ends a clause."""

    text: str
    clause: int


def words(text: str) -> list[Word]:
    """The words of a text: folded, numbers 0 to 20 spelled out, articles dropped.

    Articles stay when there is nothing else, so that the answer "A" is not empty.
    """
    found = [Word(_DIGITS_TO_WORD.get(word.text, word.text), word.clause) for word in _scan(_fold(text))]
    return [word for word in found if word.text not in _ARTICLES] or found


def normalise(text: str) -> str:
    """A text in comparable form: its words, folded and joined by single spaces. Idempotent."""
    return " ".join(word.text for word in words(text))


def singular(word: str) -> str:
    """A key that a noun shares with its regular plural (and the commonest irregular ones).

    The key need not be a word: "horse" and "horses" share "hors". Words that differ in more than a plural
    ending keep different keys ("cap", "cape").
    """
    if word in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[word]
    if len(word) >= _SHORTEST_PLURAL and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    if word.endswith("ie"):
        return word[:-2] + "y"
    if word.endswith(("se", "xe", "ze", "che", "she")) or (word.endswith("oe") and len(word) > _SHORTEST_O_STEM):
        return word[:-1]
    return word


def _fold(text: str) -> str:
    """Case and typographic variants folded, format characters dropped, until nothing changes any more."""
    while True:
        visible = "".join(char for char in text if char.isascii() or unicodedata.category(char) != "Cf")
        folded = unicodedata.normalize("NFKC", visible).casefold()
        if folded == text:
            return folded
        text = folded


def _scan(text: str) -> list[Word]:
    found: list[Word] = []
    letters: list[str] = []
    clause = 0
    for index, char in enumerate(text):
        if _belongs_to_word(text, index):
            letters.append(char)
        elif not _is_contraction(text, index):
            if letters:
                found.append(Word("".join(letters), clause))
                letters = []
            clause += char in _CLAUSE_ENDS
    if letters:
        found.append(Word("".join(letters), clause))
    return found


def _belongs_to_word(text: str, index: int) -> bool:
    char = text[index]
    if char.isalnum():
        return True
    if char in ".,":  # a decimal such as 1.5 is one word, neither "one" nor "five"
        return text[index - 1 : index].isdigit() and text[index + 1 : index + 2].isdigit()
    # Vowel signs of Indic scripts and the like are marks, not letters, but part of the word.
    return not char.isascii() and unicodedata.category(char).startswith("M")


def _is_contraction(text: str, index: int) -> bool:
    """Whether an apostrophe joins letters, as in "isn't"; only before a to z, which never combine."""
    following = text[index + 1 : index + 2]
    return (
        text[index] in _APOSTROPHES
        and index > 0
        and text[index - 1].isalnum()
        and following.isascii()
        and following.isalpha()
    )
