"""What a model finally replied, and whether the reply is broken rather than merely wrong."""

from __future__ import annotations

import re
import unicodedata
from itertools import pairwise

from trimtab.items.words import normalise

# One stray replacement character in a short answer is a decoding accident; a fifth of the reply is noise.
MAX_UNPRINTABLE_SHARE = 0.2
# "very, very, very happy" is English; four times the same in a row is a loop.
MIN_LOOP_REPEATS = 4
MAX_LOOP_WORDS = 4
# No word of a natural language repeats a group of letters five times running: "hahahahaha", "catcatcat...".
_LETTER_LOOP = re.compile(r"([^\W\d_]{1,10}?)\1{4,}")
# Ordinary paragraphs keep over 0.8 of their word pairs distinct; loops that vary a little fall below 0.5.
MIN_DISTINCT_PAIRS = 0.5
# Shorter replies have too few pairs for a ratio to mean anything.
MIN_WORDS_FOR_RATIO = 9

_THINK = re.compile(r"<think>.*?</think>", re.DOTALL | re.IGNORECASE)
_THINK_OPEN = re.compile(r"<think>.*", re.DOTALL | re.IGNORECASE)
# Anchored: otherwise a long reply without the tag would be searched from each of its characters.
_THINK_END = re.compile(r"\A.*</think>", re.DOTALL | re.IGNORECASE)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL | re.IGNORECASE)
_BROKEN_CATEGORIES = frozenset({"Cc", "Cn", "Co", "Cs"})


def final_reply(text: str) -> str:
    """The reply without its reasoning: ``<think>`` parts go, the last filled ``<answer>`` is preferred.

    Reasoning that never ends leaves nothing.
    """
    text = _THINK_OPEN.sub(" ", _THINK_END.sub(" ", _THINK.sub(" ", text)))
    tagged = _ANSWER.findall(text)
    if not tagged:
        return text.strip()
    return next((content.strip() for content in reversed(tagged) if content.strip()), "")


def why_broken(reply: str) -> str | None:
    """Why a reply is broken, or None if it reads as language."""
    spoken = normalise(reply)
    if not spoken:
        return "empty or without a word"
    if _unprintable_share(reply) > MAX_UNPRINTABLE_SHARE:
        return f"more than {MAX_UNPRINTABLE_SHARE:.0%} unprintable characters"
    spoken_words = spoken.split()
    if _LETTER_LOOP.search(spoken) or _loops(spoken_words):
        return "the same words or letters over and over"
    if len(spoken_words) >= MIN_WORDS_FOR_RATIO and _distinct_pairs(spoken_words) < MIN_DISTINCT_PAIRS:
        return f"fewer than {MIN_DISTINCT_PAIRS:.0%} of its word pairs are distinct"
    return None


def _unprintable_share(reply: str) -> float:
    visible = [char for char in reply if not char.isspace()]
    broken = sum(char == "\ufffd" or unicodedata.category(char) in _BROKEN_CATEGORIES for char in visible)
    return broken / len(visible)


def _loops(spoken: list[str]) -> bool:
    """Whether a group of up to MAX_LOOP_WORDS words follows itself MIN_LOOP_REPEATS times."""
    for size in range(1, MAX_LOOP_WORDS + 1):
        run = 0
        for earlier, later in zip(spoken, spoken[size:], strict=False):
            run = run + 1 if earlier == later else 0
            if run == size * (MIN_LOOP_REPEATS - 1):
                return True
    return False


def _distinct_pairs(spoken: list[str]) -> float:
    return len(set(pairwise(spoken))) / (len(spoken) - 1)
