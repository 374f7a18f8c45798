"""Which option a reply to a question with lettered options picks."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trimtab.items.denials import without_idioms
from trimtab.items.mentions import find_mentions, fold_that_tells_apart, phrase_of
from trimtab.items.replies import final_reply
from trimtab.items.words import words

# "B? No, A", "B, no, A", "B. Wait, A" and "B, I mean A".
_TAKEN_BACK = re.compile(
    r"[^.!?\n]*\?\s*(?:no\b\W*)?|(?<=[\w)])[.,;!\s]+(?:(?:no|sorry)\s*[,.]|wait\b|I mean\b)[,.\s]*(?=\S)", re.IGNORECASE
)
_NOT_DENIED = r"(?<!\bnot )(?<!\bnor )(?<!\bneither )"


def judge_choice(answer: str, options: Sequence[tuple[str, str]]) -> str | None:
    """The letter of the option that a reply picks, or None if it picks none or cannot be read. Never raises.

    A letter counts first, if it stands alone ("B", "b.", "(B)", "Answer: B"); the article in "a dog" is not
    option A. Then an option's text counts, if the reply asserts exactly one of them.

    Args:
        answer: The reply as the model gave it.
        options: Pairs of letter and text, such as ``("A", "cat"), ("B", "dog")``.
    """
    reply = _last_said(final_reply(answer))
    letters = [letter for letter, _ in options]
    picked = _letters_in(reply, letters)
    if picked:
        return picked[0] if len(set(picked)) == 1 or not _undecided(reply, letters) else None
    return _option_by_text(reply, options)


def _last_said(reply: str) -> str:
    """A reply without what it asks or takes back: "B? No, A" says A. The whole of it, if nothing else is left."""
    parts = [part for part in _TAKEN_BACK.split(reply) if part.strip()]
    return parts[-1] if parts else reply


def _letters_in(reply: str, letters: Sequence[str]) -> list[str]:
    """Option letters that stand alone in a reply, in its order."""
    if not letters:
        return []
    named = {letter.casefold(): letter for letter in letters}
    one_of = "|".join(re.escape(letter) for letter in letters)
    found = re.finditer(rf"{_NOT_DENIED}(?<![\w'’-])({one_of})(?![\w'’-])", reply, re.IGNORECASE)
    return [named[hit[1].casefold()] for hit in found if _is_letter(reply, hit)]


def _is_letter(reply: str, hit: re.Match[str]) -> bool:
    """Whether a lone letter names an option, rather than being an article or a pronoun."""
    after = reply[hit.end() :]
    if not re.match(r"\s*\w", after):  # ends the reply, or punctuation follows
        return True
    if hit[1].isupper() and hit[1] not in "AI":
        return True
    return hit[1].isupper() and re.match(r"\s*(?:is|was|because|since|or|and|as well as)\b", after) is not None


def _undecided(reply: str, letters: Sequence[str]) -> bool:
    """Whether a reply joins two options: "A or B"."""
    one_of = "|".join(re.escape(letter) for letter in letters)
    joined = rf"\b({one_of})\W*(?:\bor\b|\band\b|\bas well as\b|[/&+])\W*({one_of})\b"
    return re.search(joined, reply, re.IGNORECASE) is not None


def _option_by_text(reply: str, options: Sequence[tuple[str, str]]) -> str | None:
    fold = fold_that_tells_apart(text for _, text in options)
    letter_of = {phrase_of(text, fold): letter for letter, text in options}
    keys = {phrase.key for phrase in letter_of}
    mentions = find_mentions(without_idioms(words(reply), keys), keys, fold)
    asserted = {letter_of[mention.phrase] for mention in mentions if mention.phrase in letter_of}
    return asserted.pop() if len(asserted) == 1 else None
