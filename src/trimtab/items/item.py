"""The item: one image, one question and one text context that support different answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from trimtab.errors import DataError, UsageError
from trimtab.fields import call_explained, check_fields, shown
from trimtab.items.sources import ItemImage
from trimtab.items.words import normalise

Relevant = Literal["image", "text", "both"]
RELEVANT: tuple[Relevant, ...] = ("image", "text", "both")


_TEXTS = ("id", "task", "question")
_LISTS = ("aliases_image", "aliases_text", "choices", "tags")


@call_explained
@dataclass(frozen=True)
class Item:
    """One question with the answer its image supports and the answer its context supports.

    An item with ``relevant`` has one right answer, which what is relevant supports; where that is one modality, the
    other one's answer is empty, or what it wrongly suggests.

    Example:
        A conflict item, and one with a right answer::

            tt.Item(id="1", task="color", question="What color is the cat?", context="The cat is red.",
                    answer_image="black", answer_text="red", image="cat.png")
            tt.Item(id="2", task="color", question="What color is the cat?", context="",
                    answer_image="black", answer_text="", image="cat.png", relevant="image")

    Attributes:
        id: Unique within a data set.
        task: The kind of question, such as ``color``; results are reported per task.
        question: What is asked.
        context: The text context; empty for an item that has none.
        answer_image: What the image says.
        answer_text: What the context says.
        image: The picture: a path, bytes, a PIL image, a numpy array or an ``MediaSource``, which all of them
            become; None for a text-only item.
        aliases_image: Other wordings of ``answer_image``.
        aliases_text: Other wordings of ``answer_text``.
        choices: Answers to choose from, where the question is asked with options.
        split: ``train``, ``validation``, ``test`` or a name of your own.
        tags: Free labels to select items by.
        relevant: What the right answer needs: ``image``, ``text`` or ``both``; None for a conflict item.
        closed: Whether the answers of the task's items are all that can be answered, as in the bundled benchmark; a
            reply without any of them then counts as broken. On other data it is just another answer.
    """

    id: str
    task: str
    question: str
    context: str
    answer_image: str
    answer_text: str
    image: ItemImage = ItemImage()
    aliases_image: tuple[str, ...] = ()
    aliases_text: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    split: str | None = None
    tags: tuple[str, ...] = ()
    relevant: Relevant | None = None
    closed: bool = False

    def __post_init__(self) -> None:
        """Check the fields.

        Raises:
            UsageError: A field is of another type, a text that is needed is empty, or the answers do not fit
                ``relevant``: they must differ if it is None, and be the same if it is ``both``.
        """
        check_fields(self)
        for name in _TEXTS:
            if not getattr(self, name).strip():
                raise UsageError(f"`{name}` of item {shown(self.id)} must not be empty; fill it in.")
        for name in _LISTS:
            object.__setattr__(self, name, tuple(getattr(self, name)))
        self._check_answers()

    def _check_answers(self) -> None:
        given, item = {"image": self.answer_image, "text": self.answer_text}, f"item {shown(self.id)}"
        for side, answer in given.items():
            if self.relevant in (None, "both", side) and not _plain(answer):
                raise UsageError(f"`answer_{side}` of {item} must contain a word; got {shown(answer)}.")
        if self.relevant is None and _plain(self.answer_image) == _plain(self.answer_text):
            raise UsageError(
                f"`answer_image` and `answer_text` of {item} must differ; both are {shown(self.answer_image)}; for an "
                "item with one right answer, say what is `relevant`."
            )
        if self.relevant == "both" and self.answer_image != self.answer_text:
            raise UsageError(
                f"`answer_image` and `answer_text` of {item} must be the same where both are relevant; got "
                f"{shown(self.answer_image)} and {shown(self.answer_text)}."
            )

    @property
    def answer(self) -> str:
        """The right answer of an item with ``relevant``.

        Raises:
            DataError: It is a conflict item, where neither answer is right.
        """
        if self.relevant is None:
            raise DataError(f"`relevant` of item {self.id} must say which modality is right; it is None.")
        return self.answer_image if self.relevant == "image" else self.answer_text


_plain = lru_cache(maxsize=1024)(normalise)  # a data set has few different answers


class Skipped(NamedTuple):
    """A row that could not become an item: its number, counted from 1, and why."""

    row: int
    reason: str


class Items(list[Item]):
    """A list of items that remembers the rows left out on the way."""

    def __init__(self, items: Iterable[Item] = (), skipped: Iterable[Skipped] = ()):
        super().__init__(items)
        self.skipped = list(skipped)


def items_fingerprint(items: Iterable[Item]) -> str:
    """SHA-256 over the ids, texts and pictures of items, in their order.

    Split and tags do not count: they say how items are used, not what they are. Equal in every process. A picture that
    cannot be read counts by its name.
    """
    digest = hashlib.sha256()
    for item in items:
        content = [
            (item.id, item.task, item.question, item.context, item.answer_image, item.answer_text),
            (item.aliases_image, item.aliases_text, item.choices),
            None if item.image is None else item.image.fingerprint,
        ]
        if item.relevant is not None:
            content.append(item.relevant)
        digest.update(json.dumps(content, default=repr).encode() + b"\n")
    return digest.hexdigest()
