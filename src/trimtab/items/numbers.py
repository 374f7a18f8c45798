"""Numbers in one form: "21", "twenty-one", "1,000" and "a thousand" are digits, whatever way they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

# fmt: off
UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
    "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)
_ORDINAL_UNITS = (
    "zeroth", "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth",
    "eleventh", "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth",
    "nineteenth",
)
# fmt: on
TENS = ("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety")
SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9}

_CARDINALS = {word: value for value, word in enumerate(UNITS)} | {word: 10 * i for i, word in enumerate(TENS, start=2)}
_ORDINALS = {word: value for value, word in enumerate(_ORDINAL_UNITS)} | {
    f"{word[:-1]}ieth": 10 * i for i, word in enumerate(TENS, start=2)
}
SIGNS = ("minus", "negative")

# A group of three behind a separator, the same one throughout: 1,000 and 12'345'678, but not 1,5 and not 3, 4.
_GROUPED = re.compile(r"(?<![\w.,])(\d{1,3})(?:([,'’_\u00a0\u2009\u202f])\d{3})(?:\2\d{3})*(?![\d])")
# Longer runs of digits are no quantity that anybody writes a scale behind, and int() refuses the longest.
_DIGITS = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?")
_DECIMAL = re.compile(r"(-?[0-9]+)\.([0-9]+)")
_ORDINAL_DIGITS = re.compile(r"([0-9]+)(?:st|nd|rd|th)")


def ungroup(text: str) -> str:
    """Take the separators of thousands out of a text's numbers."""
    return _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)


def number_at(words: Sequence[str]) -> tuple[str, int]:
    """The number in words that a sequence begins with, in digits, and how many words it takes; ("", 0) if none.

    Args:
        words: Folded words of one clause.
    """
    sign = int(len(words) > 1 and words[0] in SIGNS)
    value, length = _in_digits(words[sign:]) or _value(words[sign:])
    return (("-" if sign else "") + value, length + sign) if length else ("", 0)


def plain_digits(word: str) -> str:
    """Digits without leading zeros and empty decimals: "007" is 7 and "3.0" is 3; other words as they are."""
    if ordinal := _ORDINAL_DIGITS.fullmatch(word):
        return f"{_as_int(ordinal[1])}th"
    if decimal := _DECIMAL.fullmatch(word):
        fraction = decimal[2].rstrip("0")
        return f"{_as_int(decimal[1])}.{fraction}" if fraction else _as_int(decimal[1])
    return _as_int(word) if re.fullmatch(r"-?[0-9]+", word) else word


def _as_int(digits: str) -> str:
    sign = "-" if digits.startswith("-") else ""
    bare = digits.removeprefix("-").lstrip("0") or "0"
    return f"{sign}{bare}" if bare != "0" else "0"


def _in_digits(words: Sequence[str]) -> tuple[str, int] | None:
    """Read a number that begins with digits: "5" and "2.5 million"."""
    if not words or not _DIGITS.fullmatch(words[0]):
        return None
    if len(words) == 1 or words[1] not in SCALES:
        return plain_digits(words[0]), 1
    whole, _, fraction = words[0].partition(".")
    value = int(whole + fraction) * SCALES[words[1]]
    below = 10 ** len(fraction)
    return (str(value // below), 2) if value % below == 0 else (plain_digits(words[0]), 1)


def _value(words: Sequence[str]) -> tuple[str, int]:
    """Read a number in words: "two hundred and five", "twenty-first"; ordinals end it."""
    total = group = read = 0
    last = 0  # the value of the word before: units may follow tens, tens and units may follow a scale
    for place, word in enumerate(words):
        ordinal = word in _ORDINALS and word not in _CARDINALS
        value = _ORDINALS[word] if ordinal else _CARDINALS.get(word)
        if value is not None and _may_follow(value, last, place):
            group += value
        elif word in SCALES and (place == 0 or (last and last < SCALES[word] and read == place)):
            value = SCALES[word]
            total, group = _scaled(total, group, value)
        elif word == "and" and last >= 100 and _begins_number(words[place + 1 :]):
            continue
        else:
            break
        read, last = place + 1, value
        if ordinal:
            return f"{total + group}th", read
    return (str(total + group), read) if read else ("", 0)


def _may_follow(value: int, last: int, place: int) -> bool:
    if place == 0:
        return True
    if last >= 100:  # what follows a scale
        return 0 < value < 100
    return last in range(20, 100, 10) and 0 < value < 10


def _scaled(total: int, group: int, scale: int) -> tuple[int, int]:
    return (total, max(group, 1) * scale) if scale <= 100 else (total + max(group, 1) * scale, 0)


def _begins_number(words: Sequence[str]) -> bool:
    return bool(words) and (words[0] in _CARDINALS or words[0] in _ORDINALS)
