"""Protocols: how an item is put to the model, and how its replies become one judgement.

A protocol asks an item one or more times (the ``paired`` protocol of MC2, arXiv 2505.20977, asks twice, with the
options swapped) and judges all replies to an item together.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Protocol as TypingProtocol

from trimtab.engine import Prompt
from trimtab.items import Item, Judgement, Label, judge, judge_choice
from trimtab.items.prompts import prompt_for
from trimtab.registry import Registry


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
    """One question with both answers as options, in one order: the near-forced choice of AMPS (arXiv 2602.12533).

    Which answer is option A depends on the item's id alone, so that a liking for a letter favours neither modality.
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
    """The same question in both orders of its options (MC2, arXiv 2505.20977): only a consistent answer counts."""

    name = "paired"

    def prompts(self, item: Item) -> list[Prompt]:
        """Return the prompt with the image's answer first, then that with the text's answer first."""
        return [prompt_for(item, choices=_answers(order, item)) for order in _ORDERS]

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge both replies; they are collapsed if either is, and ``other`` if they differ."""
        first, second = (_judge_choice(r, order, item) for r, order in zip(replies, _ORDERS, strict=True))
        if first.collapsed or second.collapsed:
            return first if first.collapsed else second
        return first if first.label == second.label else Judgement("other", False, INCONSISTENT)


_Order = tuple[Label, Label]
_ORDERS: tuple[_Order, _Order] = (("image", "text"), ("text", "image"))


def _order(item: Item) -> _Order:
    return _ORDERS[zlib.crc32(item.id.encode()) % 2]


def _answers(order: _Order, item: Item) -> tuple[str, ...]:
    return tuple(item.answer_image.strip() if label == "image" else item.answer_text.strip() for label in order)


def _judge_choice(reply: str, order: _Order, item: Item) -> Judgement:
    letters = dict(zip("AB", order, strict=True))
    picked = judge_choice(reply, list(zip(letters, _answers(order, item), strict=True)))
    if picked is None:
        return Judgement("other", True, "picks none of the options")
    return Judgement(letters[picked], False, f"picks option {picked}, the {letters[picked]} answer")


PROTOCOLS: Registry[Protocol] = Registry("`protocol` of evaluate")

for _protocol in (Open(), Single(), Paired()):
    PROTOCOLS.register(_protocol)
