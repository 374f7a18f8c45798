"""Protocols: how an item is put to the model, and how its replies become one judgement.

A protocol asks an item one or more times (the ``paired`` protocol of MC2, arXiv 2505.20977, asks twice, with the
options swapped) and judges all replies to an item together.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as TypingProtocol

from trimtab.data import Item, Judgement, judge
from trimtab.data.prompts import prompt_for
from trimtab.engine import Prompt
from trimtab.errors import UsageError


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
    """Greedy open-ended answers, each item asked once; ``trimtab.data.judge`` finds the answer in the reply."""

    name = "open"

    def prompts(self, item: Item) -> list[Prompt]:
        """Return the item's one prompt."""
        return [prompt_for(item)]

    def judge(self, replies: Sequence[str], item: Item, valid: frozenset[str] | None) -> Judgement:
        """Judge the reply to an item; a reply that is none of its task's answers is collapsed."""
        return judge(replies[0], item, valid)


PROTOCOLS: dict[str, Protocol] = {protocol.name: protocol for protocol in (Open(),)}


def protocol_named(name: str) -> Protocol:
    """Return a protocol.

    Raises:
        UsageError: There is none of that name.
    """
    if name not in PROTOCOLS:
        raise UsageError(f"`protocol` of evaluate must be one of {', '.join(PROTOCOLS)}; got {name!r}.")
    return PROTOCOLS[name]
