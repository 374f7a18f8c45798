"""Text from data files, models and paths, made harmless for a terminal."""

from __future__ import annotations

import re

ESCAPE_SEQUENCE = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # a command to the terminal, such as a window title or a link
    r"|[\x1b\x9b]\[?[0-9;:<=>?]*[ -/]*[@-~]"  # colour, movement, erasure
)
"""What a terminal obeys instead of showing."""

DIRECTION = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks that change in which direction text is shown, and so what it seems to say."""

UNSAFE = re.compile(rf"[\x00-\x1f\x7f-\x9f{DIRECTION}\ufeff\U000e0000-\U000e007f]")
SURROGATE = re.compile("[\ud800-\udfff]")
BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
UNSAFE_IN_JSON = re.compile(rf"[\x7f-\x9f{DIRECTION}\u2028\u2029\ud800-\udfff\ufeff\U000e0000-\U000e007f]")


def safe(text: str) -> str:
    """Return text as one line without anything that a terminal obeys.

    Escape sequences, control characters, direction marks and invisible tags are taken out; a blank stands for each
    run of tabs and line breaks, and a replacement character for half of a surrogate pair. Letters, accents, emoji and
    their joiners stay.
    """
    shown = ESCAPE_SEQUENCE.sub("", text)
    return SURROGATE.sub("\ufffd", UNSAFE.sub("", BREAKS.sub(" ", shown)))


def safe_json(document: str) -> str:
    """Return a JSON document of the same value in which nothing that a terminal obeys stands as itself."""
    return UNSAFE_IN_JSON.sub(_escaped, document)


def _escaped(found: re.Match[str]) -> str:
    units = found.group().encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i : i + 2].hex()}" for i in range(0, len(units), 2))
