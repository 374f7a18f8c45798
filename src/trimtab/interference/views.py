"""Views: one item put to the model in several ways, of which only what is irrelevant differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from PIL.Image import Image

from trimtab.engine import Prompt
from trimtab.errors import DataError, UsageError
from trimtab.items import Item, Items, Relevant
from trimtab.items.sources import MediaSource
from trimtab.modalities import PAIR, Modality, others

CLEAN = "clean"
"""Name of the condition that shows only what is relevant."""


@dataclass(frozen=True)
class View:
    """One way of putting an item.

    Attributes:
        item: The item; its answer and options stay what they are.
        question: The question.
        context: The text context.
        image: The picture.
        condition: ``clean``, or the names of the perturbations that were applied, joined by ``+``.
        named: The wrong option that an added text names, if it names one.
    """

    item: Item
    question: str
    context: str | None
    image: MediaSource | None
    condition: str = CLEAN
    named: str | None = None

    def prompt(self, pictures: Pictures) -> Prompt:
        """Return the view as a prompt with lettered options.

        Raises:
            DataError: The picture is corrupt.
            MissingImageError: The picture is gone.
        """
        return Prompt(
            question=self.question,
            images=() if self.image is None else (pictures.open(self.image),),
            context=self.context,
            choices=self.item.choices,
        )


class Pictures:
    """Pictures opened so far, so that the views of an item open theirs once."""

    def __init__(self) -> None:
        self._opened: dict[str, Image] = {}

    def open(self, source: MediaSource) -> Image:
        """Open a picture, or return the one that is open already."""
        key = source.fingerprint
        if key not in self._opened:
            self._opened[key] = source.open()
        return self._opened[key]


def clean_view(item: Item) -> View:
    """Return the view that shows only what is relevant.

    For an item whose text is relevant that is no picture at all, not one of noise as in the paper's code; for one
    whose image is relevant, no text but the question.

    Raises:
        DataError: The item does not say what is relevant, or has no options.
    """
    if len(item.choices) < 2 or item.answer not in item.choices:
        raise DataError(
            f"`choices` of item {item.id} must hold the answer {item.answer!r} and at least one more option; they are "
            f"{list(item.choices)}."
        )
    image = item.image if "image" in (item.relevant or PAIR) else None
    return View(item, item.question, shown_context(item), image)


def shown_context(item: Item) -> str | None:
    """Return the context that belongs to an item's question; None where the image is relevant, or there is none."""
    return item.context if "text" in (item.relevant or PAIR) and item.context else None


def irrelevant_modality(item: Item) -> Modality | None:
    """Return the modality that does not matter for an item; None where both do."""
    return None if item.relevant in (PAIR, None) else others(item.relevant[0], PAIR)[0]


def with_relevant(items: Iterable[Item], relevant: Relevant) -> Items:
    """Say for items without ``relevant`` what the right answer needs, so that any benchmark can be diagnosed.

    A conflict item becomes one with a right answer: under ``image`` its context is the misleading text, under ``text``
    its picture the misleading image. Options are the two answers where the item has none.

    Raises:
        UsageError: ``both`` for a conflict item, whose two answers cannot both be right.
    """
    found = Items((), getattr(items, "skipped", ()))
    for item in items:
        if item.relevant is None and relevant == "both":
            raise UsageError(
                f"`relevant` of conflict items must be image or text; got both for item {item.id}, whose two answers "
                "differ."
            )
        options = item.choices or (item.answer_image, item.answer_text)
        found.append(item if item.relevant else item.replace(relevant=relevant, choices=options))
    return found
