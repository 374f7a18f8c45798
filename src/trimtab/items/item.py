"""The item: one question, and evidence of several modalities that supports different answers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from trimtab.errors import DataError, UsageError
from trimtab.fields import call_explained, check_value, shown
from trimtab.items.evidence import COLUMNS, Evidence, EvidenceColumns, columns_shown, gathered
from trimtab.items.relevance import Relevant, relevant_name, relevant_of
from trimtab.items.sources import MediaSource
from trimtab.items.words import normalise
from trimtab.modalities import PAIR, Modality, in_order

if TYPE_CHECKING:
    from typing import Unpack

    from trimtab.items.sources import Given
    from trimtab.modalities import ColumnsGiven

_TYPES = {"id": str, "task": str, "question": str, "choices": tuple[str, ...], "split": str | None}
_TYPES |= {"tags": tuple[str, ...], "closed": bool}
_NO_EVIDENCE = Evidence()

ALL_TASKS = "all"
"""What tables call all tasks together."""


@call_explained
@columns_shown
@dataclass(frozen=True, init=False)
class Item(EvidenceColumns):
    """One question with evidence by modality: what each shows, and the answer that this supports.

    Evidence is given by modality, or by flat columns, which files have too and which can also be read:
    ``image, context, audio, video`` hold what is shown, ``answer_image, answer_text, ...`` the answers and
    ``aliases_image, aliases_text, ...`` other wordings of them. What is shown is a text for ``context``; else a path,
    bytes, the medium itself (a PIL image, a numpy array) or a ``MediaSource``, which all of them become.

    An item with ``relevant`` has one right answer, which what is relevant supports; the answers of its other
    modalities are empty, or what they wrongly suggest.

    Example:
        A conflict item, and one with a right answer::

            tt.Item(id="1", task="color", question="What color is the cat?", context="The cat is red.",
                    answer_image="black", answer_text="red", image="cat.png")
            tt.Item(id="2", task="color", question="What color is the cat?", answer_image="black", image="cat.png",
                    relevant="image")

    Attributes:
        id: Unique within a data set.
        task: The kind of question, such as ``color``; results are reported per task.
        question: What is asked.
        evidence: ``Evidence`` by modality, in the order of tables; none for a modality that the item says nothing of.
        choices: Answers to choose from, where the question is asked with options.
        split: ``train``, ``validation``, ``test`` or a name of your own.
        tags: Free labels to select items by.
        relevant: The modalities that the right answer needs (``"image"``, ``"both"``, ``("image", "audio")``); None for
            a conflict item.
        closed: Whether the answers of the task's items are all that can be answered, as in the bundled benchmark; a
            reply without any of them then counts as broken. On other data it is just another answer.
    """

    id: str
    task: str
    question: str
    evidence: Mapping[Modality, Evidence]
    choices: tuple[str, ...]
    split: str | None
    tags: tuple[str, ...]
    relevant: tuple[Modality, ...] | None
    closed: bool

    def __init__(
        self,
        id: str,
        task: str,
        question: str,
        evidence: Mapping[Modality, Evidence] | None = None,
        *,
        choices: Iterable[str] = (),
        split: str | None = None,
        tags: Iterable[str] = (),
        relevant: Relevant | None = None,
        closed: bool = False,
        **columns: Unpack[ColumnsGiven[MediaSource | Given | None]],
    ) -> None:
        """Make an item.

        Raises:
            UsageError: A field is of another type, a text that is needed is empty, or the answers do not fit
                ``relevant``: they must differ if it is None, and be the same among modalities that it joins.
        """
        if unknown := [name for name in columns if name not in COLUMNS]:
            raise TypeError(f"got an unexpected keyword argument {unknown[0]!r}")
        given = {"id": id, "task": task, "question": question, "choices": choices, "split": split, "tags": tags}
        for name, value in {**given, "closed": closed}.items():
            check_value(name, "Item", _TYPES[name], value)
            object.__setattr__(self, name, tuple(value) if name in ("choices", "tags") else value)
        object.__setattr__(self, "relevant", relevant_of(relevant, "`relevant` of Item"))
        for name in ("id", "task", "question"):
            if not getattr(self, name).strip():
                raise UsageError(f"`{name}` of item {shown(self.id)} must not be empty; fill it in.")
        if task == ALL_TASKS:
            raise UsageError(
                f"`task` of item {shown(self.id)} must not be {ALL_TASKS!r}, as tables call all tasks together; "
                "rename it."
            )
        object.__setattr__(self, "evidence", gathered(evidence, columns, "Item"))
        self._check_answers()

    def _check_answers(self) -> None:
        owner, joined = f"item {shown(self.id)}", self.relevant
        for side in self._sides():
            if (joined is None or side in joined) and not _plain(self.answer_of(side)):
                raise UsageError(f"`answer_{side}` of {owner} must contain a word; got {shown(self.answer_of(side))}.")
        for one, two in combinations(self._sides() if joined is None else joined, 2):
            first, second = self.answer_of(one), self.answer_of(two)
            if joined is None and _plain(first) == _plain(second):
                raise UsageError(
                    f"`answer_{one}` and `answer_{two}` of {owner} must differ; {shown(first)} and {shown(second)} "
                    "count as the same; for an item with one right answer, say what is `relevant`."
                )
            if joined is not None and first != second:
                raise UsageError(
                    f"`answer_{one}` and `answer_{two}` of {owner} must be the same where both are relevant; got "
                    f"{shown(first)} and {shown(second)}."
                )

    def _sides(self) -> tuple[Modality, ...]:
        """The modalities whose answers are looked at: two or more of a conflict item."""
        sides = in_order((*self.evidence, *(self.relevant or ())))
        return sides if self.relevant or len(sides) > 1 else in_order((*sides, *PAIR))

    @property
    def modalities(self) -> tuple[Modality, ...]:
        """The modalities that it has evidence of, in the order of tables: something to show, or an answer."""
        return tuple(self.evidence)

    @property
    def answer(self) -> str:
        """The right answer of an item with ``relevant``.

        Raises:
            DataError: It is a conflict item, where no answer is right.
        """
        if self.relevant is None:
            raise DataError(f"`relevant` of item {self.id} must say which modality is right; it is None.")
        return self.answer_of(self.relevant[0])

    def content_of(self, modality: Modality) -> str | MediaSource | None:
        """Return what a modality shows: a passage for ``text``, else a ``MediaSource``; None for nothing."""
        content = self.evidence.get(modality, _NO_EVIDENCE).content
        return content if isinstance(content, str | MediaSource) else None

    def source_of(self, modality: Modality) -> MediaSource | None:
        """Return where what a modality shows comes from; None for nothing, and for ``text``."""
        content = self.content_of(modality)
        return None if isinstance(content, str) else content

    def answer_of(self, modality: Modality) -> str:
        """Return the answer that a modality supports; empty if it supports none."""
        return self.evidence.get(modality, _NO_EVIDENCE).answer

    def aliases_of(self, modality: Modality) -> tuple[str, ...]:
        """Return other wordings of a modality's answer."""
        return self.evidence.get(modality, _NO_EVIDENCE).aliases

    def replace(self, **changes: object) -> Item:
        """Return the same item with other fields or columns: ``item.replace(context="", answer_text="")``.

        Raises:
            UsageError: As for a new item.
        """
        return dataclasses.replace(self, **changes)


_plain = lru_cache(maxsize=1024)(normalise)  # a data set has few different answers


class Skipped(NamedTuple):
    """A row that could not become an item: its number, counted from 1, and why."""

    row: int
    reason: str


class MediumMissing(Skipped):
    """A row whose picture, sound or clip is not where the row says."""


class Agreeing(Skipped):
    """A row whose answers are the same: sound, but no conflict."""


class Items(list[Item]):
    """A list of items that remembers the rows left out on the way."""

    def __init__(self, items: Iterable[Item] = (), skipped: Iterable[Skipped] = ()):
        super().__init__(items)
        self.skipped = list(skipped)


def items_fingerprint(items: Iterable[Item]) -> str:
    """SHA-256 over the ids, texts and media of items, in their order.

    Split and tags do not count: they say how items are used, not what they are. Equal in every process. A medium that
    cannot be read counts by its name.
    """
    digest = hashlib.sha256()
    for item in items:
        # Image and text stand as they did before there were others, so that what is stored of items stays true.
        content: list[Any] = [
            (item.id, item.task, item.question, item.context, item.answer_image, item.answer_text),
            (item.aliases_image, item.aliases_text, item.choices),
            None if item.image is None else item.image.fingerprint,
        ]
        if item.relevant is not None:
            content.append(relevant_name(item.relevant))
        for modality, (source, answer, aliases) in further_evidence(item):
            content.append((modality, source and source.fingerprint, answer, aliases))
        digest.update(json.dumps(content, default=repr).encode() + b"\n")
    return digest.hexdigest()


def further_evidence(item: Item) -> list[tuple[Modality, tuple[MediaSource | None, str, tuple[str, ...]]]]:
    """Return the source, answer and aliases of an item's modalities beside image and text."""
    every = item.evidence.items()
    return [(name, (item.source_of(name), one.answer, one.aliases)) for name, one in every if name not in PAIR]
