"""Which modality an open-ended reply follows.

The rules, in their order:

1. Reasoning in ``<think>`` is ignored; ``<answer>`` is preferred to what surrounds it.
2. A broken reply (empty, unprintable, looping) is collapsed; its label is ``other``.
3. Answers are found word by word, plural or singular, longer ones first; a denied mention ("not happy")
   does not count, except for an answer that is itself the denial ("not eating", "unhappy").
4. The modality whose answer is asserted first wins: "a cat, not a dog" and "a cat; the text says dog" are
   both "cat". Both joined by "and" or "or" decide nothing and are ``other``.
5. If the valid answers are given, a reply without any of them is collapsed; a longer valid answer is not
   mistaken for a shorter one inside it ("hot dog" is no "dog").
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple

from trimtab.data.items import Item
from trimtab.data.mentions import (
    Fold,
    Key,
    Mention,
    Phrase,
    find_mentions,
    fold_that_tells_apart,
    phrase_of,
    short_form,
)
from trimtab.data.replies import final_reply, why_broken
from trimtab.data.words import Word, words

Label = Literal["image", "text", "other"]
_Owners = dict[Phrase, Literal["image", "text"]]


class Judgement(NamedTuple):
    """What a reply amounts to. A collapsed reply always has the label ``other``."""

    label: Label
    collapsed: bool
    reason: str


def judge(answer: str, item: Item, valid: frozenset[str] | None = None) -> Judgement:
    """Judge an open-ended reply to a conflict item; see the module for the rules. Never raises.

    Args:
        answer: The reply as the model gave it.
        item: The item that was asked; its aliases count for their side, unless both sides have them.
        valid: All answers of the item's task, from ``valid_answers``. None means that they are not known.
    """
    reply = final_reply(answer)
    if broken := why_broken(reply):
        return Judgement("other", True, f"broken reply: {broken}")
    spoken = words(reply)
    fold = fold_that_tells_apart((item.answer_image, item.answer_text))
    owners = _owners(item, fold)
    rivals = frozenset() if valid is None else _rivals(valid, owners, fold)
    mentions = find_mentions(spoken, {phrase.key for phrase in owners} | rivals, fold)
    if valid is not None and not mentions:
        return Judgement("other", True, f"none of the {len(valid)} valid answers")
    return _decide(mentions, owners, spoken)


def valid_answers(items: Iterable[Item]) -> dict[str, frozenset[str]]:
    """Per task, every answer that some item gives to either side, with aliases."""
    collected: dict[str, set[str]] = {}
    for item in items:
        answers = (item.answer_image, item.answer_text, *item.aliases_image, *item.aliases_text)
        collected.setdefault(item.task, set()).update(answers)
    return {task: frozenset(answers) for task, answers in collected.items()}


def _decide(mentions: list[Mention], owners: _Owners, spoken: list[Word]) -> Judgement:
    asserted = [mention for mention in mentions if mention.phrase in owners]
    if not asserted:
        reason = "mentions other or denied answers only" if mentions else "mentions neither answer"
        return Judgement("other", False, reason)
    first = asserted[0]
    label = owners[first.phrase]
    contrary = next((mention for mention in asserted if owners[mention.phrase] != label), None)
    if contrary is None:
        return Judgement(label, False, f"mentions the {label} answer")
    between = [word.text for word in spoken[first.end : contrary.start]]
    if between in (["and"], ["or"]):
        return Judgement("other", False, f"joins both answers by '{between[0]}'")
    return Judgement(label, False, f"mentions both answers, the {label} answer first")


def _owners(item: Item, fold: Fold) -> _Owners:
    """Which modality each phrase speaks for; one that fits both equally well speaks for neither."""
    image = _ranked_phrases(item.answer_image, item.aliases_image, item.answer_text, fold)
    text = _ranked_phrases(item.answer_text, item.aliases_text, item.answer_image, fold)
    owners: _Owners = {}
    for phrase in image.keys() | text.keys():
        image_rank, text_rank = image.get(phrase, 0), text.get(phrase, 0)
        if phrase.key and image_rank != text_rank:
            owners[phrase] = "image" if image_rank > text_rank else "text"
    return owners


def _ranked_phrases(answer: str, aliases: tuple[str, ...], opposite: str, fold: Fold) -> dict[Phrase, int]:
    """The phrases of one side: the answer itself (3), before aliases (2), before what follows (1)."""
    literal = phrase_of(answer, fold)
    alternatives = [phrase_of(alias, fold) for alias in aliases]
    ranked = {short_form(phrase): 1 for phrase in (literal, *alternatives)}
    denied = phrase_of(opposite, fold)
    if literal.key == tuple(f"un{word}" for word in denied.key):  # "not happy" says "unhappy"
        ranked[denied._replace(denied=not denied.denied)] = 1
    ranked.update(dict.fromkeys(alternatives, 2))
    ranked[literal] = 3
    return ranked


def _rivals(valid: frozenset[str], owners: _Owners, fold: Fold) -> frozenset[Key]:
    """Valid answers that are neither of the item's own: they take their words before a shorter answer can."""
    own = {short_form(phrase).key for phrase in owners}
    return frozenset(
        phrase.key
        for phrase in _valid_phrases(valid, fold)
        if short_form(phrase).key not in own and not _narrows(phrase.key, own)
    )


def _narrows(key: Key, own: set[Key]) -> bool:
    """Whether a valid answer only says more of an activity of the item: "eating leaves" is "eating"."""
    activities = [short for short in own if short[-1].endswith("ing")]
    return any(len(key) > len(short) and key[: len(short)] == short for short in activities)


@lru_cache(maxsize=64)
def _valid_phrases(valid: frozenset[str], fold: Fold) -> tuple[Phrase, ...]:
    return tuple({phrase_of(answer, fold) for answer in valid})
