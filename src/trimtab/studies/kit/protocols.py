"""Protocols: how an item is put to the model, and how its replies become one judgement.

A protocol asks an item one or more times (the ``paired`` protocol of MC2, arXiv 2505.20977, asks twice, with the
options swapped) and judges all replies to an item together.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Protocol as TypingProtocol

from trimtab.engine import Prompt
from trimtab.items import Item, Judgement, judge, judge_choice
from trimtab.items.prompts import prompt_for
from trimtab.modalities import Modality
from trimtab.registry import Registry
from trimtab.steering.states import in_conflict


class Protocol(TypingProtocol):
    """What every protocol can do."""

    name: str

    def prompts(self, item: Item) -> list[Prompt]:
        """Return the prompts that ask an item, without any method's instruction."""
        ...

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge the replies to one item, in the order of its prompts."""
        ...


class Open:
    """Greedy open-ended answers, each item asked once; ``trimtab.items.judge`` finds the answer in the reply."""

    name = "open"

    def prompts(self, item: Item) -> list[Prompt]:
        """Return the item's one prompt."""
        return [prompt_for(item)]

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge the reply to an item; a reply that is none of its task's answers is collapsed."""
        return judge(replies[0], item, valid)


INCONSISTENT = "picks another answer when the options change places"
"""Reason of an answer that depends on the order of its options."""


class Single:
    """One question with all answers as options, in one order: the near-forced choice of AMPS (arXiv 2602.12533).

    Which answer is option A depends on the item's id alone, so that a liking for a letter favours no modality.
    A reply that picks no option is collapsed.
    """

    name = "single"

    def prompts(self, item: Item) -> list[Prompt]:
        """Return the item's one prompt."""
        return [prompt_for(item, choices=_answers(_order(item), item))]

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge the letter, or the option's own words."""
        return _judge_choice(replies[0], _order(item), item)


class Paired:
    """The same question with each answer first in turn (MC2, arXiv 2505.20977): only a consistent answer counts.

    Of image and text these are both orders of the options.
    """

    name = "paired"

    def prompts(self, item: Item) -> list[Prompt]:
        """Return a prompt for each order; the first begins with the answer of the first modality."""
        return [prompt_for(item, choices=_answers(order, item)) for order in _orders(item)]

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge all replies; they are collapsed if one is, and ``other`` if they differ."""
        found = [_judge_choice(r, order, item) for r, order in zip(replies, _orders(item), strict=True)]
        if collapsed := next((one for one in found if one.collapsed), None):
            return collapsed
        same = all(one.label == found[0].label for one in found)
        return found[0] if same else Judgement("other", False, INCONSISTENT)


_Order = tuple[Modality, ...]


def _orders(item: Item) -> list[_Order]:
    """Return the modalities whose answers are options, each first in turn."""
    sides = in_conflict(m for m in item.modalities if item.answer_of(m))
    return [sides[first:] + sides[:first] for first in range(len(sides))]


def _order(item: Item) -> _Order:
    orders = _orders(item)
    return orders[zlib.crc32(item.id.encode()) % len(orders)]


def _answers(order: _Order, item: Item) -> tuple[str, ...]:
    return tuple(item.answer_of(modality).strip() for modality in order)


def _judge_choice(reply: str, order: _Order, item: Item) -> Judgement:
    letters = dict(zip(ascii_uppercase, order, strict=False))
    picked = judge_choice(reply, list(zip(letters, _answers(order, item), strict=True)))
    if picked is None:
        return Judgement("other", True, "picks none of the options")
    return Judgement(letters[picked], False, f"picks option {picked}, the {letters[picked]} answer")


PROTOCOLS: Registry[Protocol] = Registry("`protocol` of evaluate")

for _protocol in (Open(), Single(), Paired()):
    PROTOCOLS.register(_protocol)
