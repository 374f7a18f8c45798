"""What is wrong with items, before hours are spent on them: everything that needs no model is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from trimtab.errors import TrimtabError
from trimtab.items.answers import judge
from trimtab.items.item import Agreeing, Item, Items, MediumMissing, Skipped
from trimtab.modalities import SHOWN
from trimtab.progress import SILENT, Progress

FEW = 30
"""Items of a task below which rates of it say little: an interval of 95 % is then up to 36 points wide."""


@dataclass(frozen=True)
class Finding:
    """Something about items that a user should know.

    Attributes:
        what: What it is.
        count: How many rows, items or tasks it is true of.
        example: The first, with its id or row.
        wrong: Whether it must be mended; else it is only worth knowing.
    """

    what: str
    count: int
    example: str
    wrong: bool = True


def inspect_items(items: Items, progress: Progress = SILENT, *, skip_missing: bool = False) -> list[Finding]:
    """Look at items and at everything that they show; each medium is opened once.

    Args:
        items: The items, as ``read_items`` gives them.
        progress: Told of items whose media were opened.
        skip_missing: Whether rows whose medium is missing are left out on purpose, so that this is no fault.

    Returns:
        What was found, what must be mended first; nothing if all is well.
    """
    found = [
        _counted("rows that were skipped", _rows(items, Skipped)),
        _counted("rows whose picture, sound or clip is missing", _rows(items, MediumMissing), wrong=not skip_missing),
        _counted("items whose medium cannot be opened", _unopened(items, progress)),
        _of_items("items with an answer by what they do not show", items, unseen),
        _of_items("items whose own answer is not taken for what it is", items, _misjudged),
        _counted("pictures, sounds or clips in several splits", _shared(items)),
        _counted("rows whose picture and text agree", _rows(items, Agreeing), wrong=False),
        _counted(f"tasks of fewer than {FEW} items", _few(items), wrong=False),
        _counted("items that name no split", [one.id for one in items if one.split is None], wrong=False),
    ]
    return sorted((one for one in found if one.count), key=lambda one: not one.wrong)


def _counted(what: str, examples: Sequence[str], *, wrong: bool = True) -> Finding:
    return Finding(what, len(examples), examples[0] if examples else "", wrong)


def _rows(items: Items, kind: type[Skipped]) -> list[str]:
    return [f"row {one.row}: {one.reason}" for one in items.skipped if type(one) is kind]


def _of_items(what: str, items: Sequence[Item], fault: Callable[[Item], str | None]) -> Finding:
    faults = [f"{item.id}: {said}" for item in items if (said := fault(item))]
    return _counted(what, faults)


def _unopened(items: Sequence[Item], progress: Progress) -> list[str]:
    seen: set[object] = set()
    faults: list[str] = []
    with progress.task("open media", len(items)) as advance:
        for item in items:
            for source in filter(None, map(item.source_of, SHOWN)):
                if source in seen:
                    continue
                seen.add(source)
                try:
                    source.open()
                except TrimtabError as error:
                    faults.append(f"{item.id}: {error}")
            advance(1)
    return faults


def unseen(item: Item) -> str | None:
    """Say which modality of a conflict item supports an answer and shows nothing."""
    if item.relevant is not None:
        return None
    for side in item.modalities:
        if item.answer_of(side) and not item.content_of(side):
            return f"answer_{side} is {item.answer_of(side)!r}, and there is no {'context' if side == 'text' else side}"
    return None


def _misjudged(item: Item) -> str | None:
    """Say which answer or alias of a conflict item the judge of replies does not take for its own side's."""
    if item.relevant is not None:
        return None
    for side in item.modalities:
        for answer in (item.answer_of(side), *item.aliases_of(side)):
            label = judge(answer, item).label if answer else side
            if label != side:
                return f"{answer!r}, an answer of the {side}, counts as {label}"
    return None


def _shared(items: Sequence[Item]) -> list[str]:
    """Name items that show something that another split shows as well."""
    first: dict[str, Item] = {}
    return [
        f"{item.id}: also in {other.split}, {other.id}"
        for item, print_ in _prints(items)
        if (other := first.setdefault(print_, item)).split != item.split
    ]


def _prints(items: Sequence[Item]) -> Iterator[tuple[Item, str]]:
    for item in items:
        if item.split is not None:
            yield from ((item, f"{one.kind} {one.fingerprint}") for one in filter(None, map(item.source_of, SHOWN)))


def _few(items: Sequence[Item]) -> list[str]:
    tasks: dict[str, int] = {}
    for item in items:
        tasks[item.task] = tasks.get(item.task, 0) + 1
    return [f"{task}: {count}" for task, count in sorted(tasks.items()) if count < FEW]
