"""Which modality an open-ended reply follows.

The rules, in their order:

1. Reasoning in ``<think>`` is ignored; ``<answer>`` is preferred to what surrounds it.
2. A broken reply (empty, unprintable, looping) is collapsed; its label is ``other``.
3. Answers are found word by word, plural or singular, numbers in any spelling, longer ones first; a denied mention
   ("not happy", "the cat isn't there") does not count, except for an answer that is itself the denial ("not eating",
   "unhappy"). What is only asked ("A dog?") or taken back ("a dog, no, a cat") gives way to what is asserted.
4. The modality whose answer is asserted first wins: "a cat, not a dog" and "a cat; the text says dog" are
   both "cat". Both side by side ("cat/dog") or joined by "and", "or" and the like decide nothing and are ``other``.
5. If the valid answers are given, a longer valid answer is not mistaken for a shorter one inside it ("hot dog" is no
   "dog"). If they are all that can be answered, a reply without any of them is collapsed.

docs/answers.md has a table of what is understood and what is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Literal, NamedTuple, Self

from trimtab.items.denials import corrected_at, without_idioms
from trimtab.items.item import Item
from trimtab.items.mentions import (
    Fold,
    Key,
    Mention,
    Phrase,
    find_mentions,
    fold_that_tells_apart,
    phrase_of,
    short_form,
)
from trimtab.items.replies import final_reply, why_broken
from trimtab.items.words import Word, words
from trimtab.modalities import PAIR, Modality, others

Label = Modality | Literal["other"]
# What may stand between two answers given together: "a cat and also a dog", or nothing ("cat/dog", "cat, dog").
_JOINED = re.compile(
    r"(?:(?:and|or|plus|versus|vs|as well as|along with|together with|also|else|maybe|perhaps|possibly|even|then"
    r"|和|或|与|與|及|跟|还 是|還 是|或 者|以 及|と|や|か|ま た は|และ|หรือ) )*"
)
_Owners = dict[Phrase, Modality]


class Judgement(NamedTuple):
    """What a reply amounts to. A collapsed reply always has the label ``other``."""

    label: Label
    collapsed: bool
    reason: str


def judge(answer: str, item: Item, valid: frozenset[str] | None = None) -> Judgement:
    """Judge an open-ended reply to a conflict item; see the module for the rules. Never raises.

    The label is the modality that the reply follows, or ``other``.

    Args:
        answer: The reply as the model gave it.
        item: The item that was asked; its aliases count for their side, unless another side has them too.
        valid: All answers of the item's task, from ``valid_answers``; a plain set stands for all that can be
            answered. None means that they are not known.
    """
    reply = final_reply(answer)
    if broken := why_broken(reply):
        return Judgement("other", True, f"broken reply: {broken}")
    fold = fold_that_tells_apart(answer for side in sides_of(item) if (answer := item.answer_of(side)))
    owners = _owners(item, fold)
    rivals = frozenset() if valid is None else _rivals(valid, owners, fold)
    keys = {phrase.key for phrase in owners} | rivals
    spoken = without_idioms(words(reply), keys)
    mentions = find_mentions(spoken, keys, fold)
    if valid is not None and not mentions and getattr(valid, "closed", True):
        return Judgement("other", True, f"none of the {len(valid)} valid answers")
    return _decide(mentions, owners, spoken)


class ValidAnswers(frozenset[str]):
    """The answers that items of a task give; ``closed`` if nothing else can be answered (see ``Item.closed``)."""

    closed: bool

    def __new__(cls, answers: Iterable[str], closed: bool = False) -> Self:
        """Make the set."""
        made = super().__new__(cls, answers)
        made.closed = closed
        return made


def valid_answers(items: Iterable[Item]) -> dict[str, frozenset[str]]:
    """Per task, every answer that some item gives to any side, with aliases.

    A task is closed only if all its items are: on a user's own data another answer is wrong, not broken.
    """
    collected: dict[str, set[str]] = {}
    closed: dict[str, bool] = {}
    for item in items:
        sides = sides_of(item)
        aliases = (alias for side in sides for alias in item.aliases_of(side))
        collected.setdefault(item.task, set()).update((*(item.answer_of(side) for side in sides), *aliases))
        closed[item.task] = closed.get(item.task, True) and item.closed
    return {task: ValidAnswers(answers, closed[task]) for task, answers in collected.items()}


def _decide(mentions: list[Mention], owners: _Owners, spoken: list[Word]) -> Judgement:
    asserted = _in_force([mention for mention in mentions if mention.phrase in owners], owners, spoken)
    if not asserted:
        reason = "mentions other or denied answers only" if mentions else "mentions neither answer"
        return Judgement("other", False, reason)
    first = asserted[0]
    label = owners[first.phrase]
    contrary = next((mention for mention in asserted if owners[mention.phrase] != label), None)
    if contrary is None:
        return Judgement(label, False, f"mentions the {label} answer")
    before = [mention for mention in asserted if mention.end <= contrary.start]
    between = "".join(f"{word.text} " for word in spoken[before[-1].end : contrary.start])
    several = "both" if len({owners[mention.phrase] for mention in asserted}) == 2 else "several"
    if _JOINED.fullmatch(between):
        how = f"joins {several} answers by '{between.strip()}'" if between else f"gives {several} answers side by side"
        return Judgement("other", False, how)
    return Judgement(label, False, f"mentions {several} answers, the {label} answer first")


def _in_force(asserted: list[Mention], owners: _Owners, spoken: list[Word]) -> list[Mention]:
    """The assertions without those that are only asked, or taken back later."""
    asserted = [mention for mention in asserted if not mention.asked] or asserted
    for start in reversed(corrected_at(spoken, {phrase.key for phrase in owners})):
        if later := [mention for mention in asserted if mention.start >= start]:
            return later
    return asserted


def sides_of(item: Item) -> tuple[Modality, ...]:
    """The modalities whose answers a reply to an item can give: those that it has evidence of."""
    return PAIR if set(item.modalities) <= set(PAIR) else item.modalities


def _owners(item: Item, fold: Fold) -> _Owners:
    """Which modality each phrase speaks for; one that fits several equally well speaks for none."""
    ranked: dict[Phrase, dict[Modality, int]] = {}
    for side in sides_of(item):
        beside = [item.answer_of(other) for other in others(side, sides_of(item))]
        for phrase, rank in _ranked_phrases(item.answer_of(side), item.aliases_of(side), beside, fold).items():
            ranked.setdefault(phrase, {})[side] = rank
    owners: _Owners = {}
    for phrase, ranks in ranked.items():
        best = max(ranks.values())
        fitting: list[Modality] = [side for side, rank in ranks.items() if rank == best]
        if phrase.key and len(fitting) == 1:
            owners[phrase] = fitting[0]
    return owners


def _ranked_phrases(answer: str, aliases: tuple[str, ...], beside: list[str], fold: Fold) -> dict[Phrase, int]:
    """The phrases of one side: the answer itself (3), before aliases (2), before what follows (1)."""
    literal = phrase_of(answer, fold)
    alternatives = [phrase_of(alias, fold) for alias in aliases]
    ranked = {short_form(phrase): 1 for phrase in (literal, *alternatives)}
    for denied in (phrase_of(other, fold) for other in beside):
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
