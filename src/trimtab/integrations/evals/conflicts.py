"""Conflict items as other programs ask them: MC2's question of what a model follows, by our protocols and judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from trimtab.engine import Prompt
from trimtab.errors import UsageError
from trimtab.items import Item, Judgement, read_items, valid_answers
from trimtab.items.admission import check_items
from trimtab.items.prompts import instruction_for
from trimtab.modalities import SHOWN, Modality
from trimtab.steering.states import in_conflict
from trimtab.studies.kit.protocols import PROTOCOLS, Protocol


@dataclass(frozen=True, eq=False)
class Conflicts:
    """Conflict items under one protocol.

    Attributes:
        items: The items by their ids.
        protocol: How they are put, and how replies are judged.
        instruction: What the prompts say of whom to follow; None for nothing.
        valid: Valid answers of each task.
    """

    items: Mapping[str, Item]
    protocol: Protocol
    instruction: str | None
    valid: Mapping[str, frozenset[str]]

    def prompts(self, item: Item, *, media: bool = True) -> list[Prompt]:
        """Return what an item is asked, in order.

        Args:
            item: The item.
            media: Whether to open what it shows; else only the texts are there.

        Raises:
            DataError: A medium cannot be read.
        """
        shown = item if media else item.replace(**dict.fromkeys(SHOWN))
        prompts = self.protocol.prompts(shown)
        return prompts if self.instruction is None else [one.with_instruction(self.instruction) for one in prompts]

    def judge(self, item: Item, replies: Sequence[str]) -> Judgement:
        """Judge the replies to an item, in the order of its prompts."""
        return self.protocol.judge(replies, item, self.valid.get(item.task))


@cache
def conflicts(source: str, images: str | None, protocol: str, target: Modality | None = None) -> Conflicts:
    """Read conflict items, once a process; items with a right answer among them are left out.

    Args:
        source: What ``trimtab.read_items`` takes.
        images: The folder that pictures are in.
        protocol: A key of ``PROTOCOLS``.
        target: Whom to tell the model to follow.

    Raises:
        UsageError: The source is of no known kind, two items have the same id, or none is a conflict.
        DataError: It cannot be read, or holds no usable item.
    """
    how = PROTOCOLS.named(protocol)
    given = [item for item in read_items(source, images=images) if item.relevant is None]
    if not given:
        raise UsageError(f"`items` of a conflict task must be without `relevant`; all of {source} have it; ask others.")
    items = check_items(given, "`items` of a conflict task")
    among = in_conflict(modality for item in items for modality in item.modalities)
    instruction = None if target is None else instruction_for(target, among)
    return Conflicts({item.id: item for item in items}, how, instruction, valid_answers(items))
