"""Items that a model can be asked about, and the others with the reason: every verb begins with it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from trimtab.engine import ModelOrEngine, Prompt, admit, reason_of
from trimtab.errors import DataError, UsageError
from trimtab.items.inspecting import unseen
from trimtab.items.item import Item, Skipped

logger = logging.getLogger(__name__)

CHUNK = 32
"""Items whose prompts are made and looked at together."""

Ask = Callable[[Item], Sequence[Any]]
"""Makes an item's prompts, as they are or encoded."""

Also = Callable[[Prompt], Iterable[Prompt]]


@dataclass(frozen=True, eq=False)
class Admitted:
    """What is left of items.

    Attributes:
        items: The items that can be asked, in their order.
        prompts: What each of them is asked.
        skipped: The others: their place among all, counted from 1, and the reason.
    """

    items: list[Item]
    prompts: list[list[Any]]
    skipped: list[Skipped]

    def require(self, what: str) -> Admitted:
        """Return this, if an item is left.

        Raises:
            UsageError: None is.
        """
        if not self.items:
            reason = self.skipped[0].reason.rstrip(".") if self.skipped else "there is none"
            raise UsageError(
                f"{what} must hold at least one item that can be asked; none of {len(self.skipped)} can: {reason}."
            )
        return self


def admit_items(
    model: ModelOrEngine,
    items: Iterable[Item],
    ask: Ask,
    what: str,
    *,
    also: Also | None = None,
    new_tokens: int = 0,
    conflicts: bool = False,
) -> Admitted:
    """Make the prompts of items, and leave out the items of which the model cannot take one.

    Args:
        model: The model.
        items: The items, each with an id of its own.
        ask: Makes an item's prompts; what it raises is the reason to leave the item out.
        what: What errors call the items, such as "`items` of evaluate".
        also: Makes further prompts that will be asked in place of each, such as those under an instruction; they are
            looked at and not kept.
        new_tokens: Longest answer to them.
        conflicts: Whether to leave out items, too, that have an answer by what they do not show.

    Returns:
        The items that are left, with their prompts; the others are logged.

    Raises:
        UsageError: Something else than items is given, or two have the same id.
    """
    every = check_items(items, what)
    found = admit_each(model, every, _of_conflicts(ask) if conflicts else ask, also=also, new_tokens=new_tokens)
    say_left_out(found.skipped, len(every))
    return found


def admit_each(
    model: ModelOrEngine, items: Sequence[Item], ask: Ask, *, also: Also | None = None, new_tokens: int = 0
) -> Admitted:
    """Do what ``admit_items`` does with items that are known to be sound; nothing is logged."""
    found = Admitted([], [], [])
    for start in range(0, len(items), CHUNK):
        chunk = items[start : start + CHUNK]
        made, reasons = _made(chunk, ask)
        shown = [
            (place, prompt)
            for place, own in made.items()
            for base in own
            for prompt in (base, *(also(base) if also and isinstance(base, Prompt) else ()))
        ]
        for which, reason in admit(model, [prompt for _, prompt in shown], new_tokens=new_tokens).items():
            reasons.setdefault(shown[which][0], reason)
        for place, item in enumerate(chunk):
            if place in reasons:
                found.skipped.append(Skipped(start + place + 1, f"item {item.id}: {reasons[place]}"))
            else:
                found.items.append(item)
                found.prompts.append(made[place])
    return found


def check_items(items: Iterable[Item], what: str) -> list[Item]:
    """Return items as a list.

    Raises:
        UsageError: Something else than items is given, or two have the same id.
    """
    if isinstance(items, str | Item) or not isinstance(items, Iterable):
        raise UsageError(f"{what} must be a list of items; got {items!r:.60}; put it into a list.")
    places: dict[str, int] = {}
    found = list(items)
    for place, item in enumerate(found, start=1):
        if not isinstance(item, Item):
            raise UsageError(
                f"{what} must be a list of trimtab.Item; place {place} holds {item!r:.60}; make an item of it, or read "
                "items with trimtab.read_items."
            )
        first = places.setdefault(item.id, place)
        if first != place:
            raise UsageError(
                f"{what} must have an id each; {item.id!r:.60} stands at places {first} and {place}; give "
                "one of them another id."
            )
    return found


def say_left_out(skipped: Sequence[Skipped], total: int) -> None:
    """Log how many items were left out, if any, and why the first was."""
    if skipped:
        logger.warning("Skipped %d of %d items; the first: %s", len(skipped), total, skipped[0].reason)


def _of_conflicts(ask: Ask) -> Ask:
    """Return what asks a conflict item only if it shows all that supports an answer."""

    def asked(item: Item) -> Sequence[Any]:
        if (reason := unseen(item)) is not None:
            raise DataError(f"{reason}.")
        return ask(item)

    return asked


def _made(items: Sequence[Item], ask: Ask) -> tuple[dict[int, list[Any]], dict[int, str]]:
    """Make prompts, and say for which items that failed."""
    made: dict[int, list[Any]] = {}
    reasons: dict[int, str] = {}
    for place, item in enumerate(items):
        try:
            made[place] = list(ask(item))
        except Exception as error:  # whatever a picture's decoder or drawing makes of it
            reasons[place] = reason_of(error)
    return made, reasons
