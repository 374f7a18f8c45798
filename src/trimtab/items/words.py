"""Words of a reply or an answer, in one comparable form.

Case, punctuation, articles, typographic variants and "1" for "one" are taken out here, once, so that
everything that compares answers compares words and never substrings ("ant" is not in "elephant").

Scripts that put no space between words (Chinese, Japanese, Thai, Lao, Khmer, Burmese) give a word for each character,
so that an answer is found as a run of characters.
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from typing import NamedTuple

from trimtab.items.numbers import SIGNS, number_at, plain_digits, ungroup

_ARTICLES = frozenset({"a", "an", "the"})
_APOSTROPHES = frozenset("'’‘ʼ`")
_CLAUSE_ENDS = frozenset(".,;:!?()[]\n—…。，；：！？、")
_SENTENCE_ENDS = frozenset(".;!?\n。；！？")
_QUESTION_MARKS = frozenset("?？")
_MINUSES = frozenset("-−")
_SLASHES = frozenset("/⁄")
_SPELLINGS = {"gray": "grey", "colour": "color", "colours": "colors", "tv": "television"}
"""Spellings of one word that answers differ in."""
# First and last characters of the blocks whose scripts are written without spaces between words.
# fmt: off
_UNSPACED = (
    ("\u0e00", "\u0eff"), ("\u1000", "\u109f"), ("\u1780", "\u17ff"), ("\u3005", "\u3007"), ("\u3040", "\u30ff"),
    ("\u31f0", "\u31ff"), ("\u3400", "\u4dbf"), ("\u4e00", "\u9fff"), ("\uf900", "\ufaff"),
    ("\U00020000", "\U0003134f"),
)
# Korean endings that say a noun's part in the sentence, longest first: "고양이입니다" is "고양이".
_KOREAN_ENDINGS = (
    "입니다", "이에요", "에서", "으로", "이다", "예요", "은", "는", "이", "가", "을", "를", "의", "에", "와",
    "과", "도", "만", "로", "야",
)
# fmt: on

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
    "halves": "half",
    "oxen": "ox",
    "cacti": "cactus",
    "fungi": "fungus",
}
LONGEST_NUMBER = 16
"""Words of the longest number that is read in words: nine hundred and ninety-nine billion, and so on."""
# A word this short that ends in "s" is nearly always no plural: bus, gas, yes, is.
_SHORTEST_PLURAL = 4
# "tomatoes" loses "es" but "shoes" only "s": the stem tells them apart by its length.
_SHORTEST_O_STEM = 4


class Word(NamedTuple):
    """A word, the number of the clause it stands in, and whether its sentence is a question."""

    text: str
    clause: int
    asked: bool = False


def words(text: str) -> list[Word]:
    """The words of a text: folded, numbers as digits, articles dropped.

    Articles stay when there is nothing else, so that the answer "A" is not empty.
    """
    scanned = [w._replace(text=_SPELLINGS.get(w.text, w.text)) for w in _scan(ungroup(_fold(ungroup(text))))]
    found = _with_numbers(scanned)
    return [word for word in found if word.text not in _ARTICLES] or found


def normalise(text: str) -> str:
    """A text in comparable form: its words, folded and joined by single spaces. Idempotent."""
    joined = ""
    for before, word in pairwise([Word("", 0), *words(text)]):
        # A sign that is still a word of its own stays apart from a number behind it, whoever reads this again.
        gap = ", " if before.text in SIGNS else " "
        joined += (gap if joined else "") + word.text
    return joined


def singular(word: str) -> str:
    """A key that a noun shares with its regular plural (and the commonest irregular ones).

    The key need not be a word: "horse" and "horses" share "hors". Words that differ in more than a plural
    ending keep different keys ("cap", "cape").
    """
    if word in _IRREGULAR_PLURALS:
        return _IRREGULAR_PLURALS[word]
    if "\uac00" <= word[-1:] <= "\ud7a3":
        return _korean_stem(word)
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
        visible = "".join(_visible(char) for char in text)
        # Turkish İ folds to an i with a dot of its own.
        folded = unicodedata.normalize("NFKC", visible).casefold().replace("i\u0307", "i")
        if folded == text:
            return folded
        text = folded


def _visible(char: str) -> str:
    """A character as it is compared: format characters are nothing, digits of every script are ours."""
    if char.isascii():
        return char
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.decimal(char))
    return "" if category == "Cf" else char


def _scan(text: str) -> list[Word]:
    found: list[Word] = []
    letters: list[str] = []
    clause = sentence = 0

    def end_word() -> None:
        if letters:
            found.append(Word("".join(letters), clause))
            letters.clear()

    for index, char in enumerate(text):
        if _belongs_to_word(text, index):
            if letters and (_is_unspaced(char) or _is_unspaced(letters[0])) and not _is_mark(char):
                end_word()
            letters.append("-" if char in _MINUSES else char)
        elif not _is_contraction(text, index):
            end_word()
            clause += char in _CLAUSE_ENDS
            if char in _SENTENCE_ENDS:
                if char in _QUESTION_MARKS:
                    found[sentence:] = [word._replace(asked=True) for word in found[sentence:]]
                sentence = len(found)
    end_word()
    return found


def _with_numbers(scanned: list[Word]) -> list[Word]:
    """Numbers of one or more words as one word in digits."""
    found: list[Word] = []
    place = 0
    while place < len(scanned):
        first = scanned[place]
        together = [word.text for word in scanned[place : place + LONGEST_NUMBER] if word.clause == first.clause]
        digits, length = number_at(together)
        found.append(first._replace(text=digits if length else plain_digits(first.text)))
        place += max(length, 1)
    return found


def _belongs_to_word(text: str, index: int) -> bool:
    char = text[index]
    if char.isalnum():
        return True
    before, after = text[index - 1 : index] if index else "", text[index + 1 : index + 2]
    if char in ".," or char in _SLASHES:  # 1.5 and 1/2 are one word, neither "one" nor "five"
        return before.isdigit() and after.isdigit()
    if char in "+#":  # C++ and C# are not C
        return (before.isalpha() or before == char) and not after.isalnum()
    if char in _MINUSES:  # a sign, not a hyphen: "-5", but not "3-5" and not "- 5"
        return after.isdigit() and (not before or before.isspace() or before == "(")
    # Vowel signs of Indic scripts and the like are marks, not letters, but part of the word.
    return _is_mark(char)


def _is_mark(char: str) -> bool:
    return not char.isascii() and unicodedata.category(char).startswith("M")


def _is_unspaced(char: str) -> bool:
    return not char.isascii() and any(first <= char <= last for first, last in _UNSPACED)


def _korean_stem(word: str) -> str:
    """A Korean word without its endings; at least one syllable stays."""
    ending = next((e for e in _KOREAN_ENDINGS if word.endswith(e) and len(word) > len(e)), None)
    return word if ending is None else _korean_stem(word[: -len(ending)])


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
