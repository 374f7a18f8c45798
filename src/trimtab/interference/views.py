"""Views: one item put to the model in several ways, of which only what is irrelevant differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from trimtab.engine import Prompt
from trimtab.errors import DataError, UsageError
from trimtab.items import Item, Items, Relevant, relevant_name, relevant_of
from trimtab.items.sources import MediaSource
from trimtab.modalities import PAIR, SHOWN, Modality, in_order

CLEAN = "clean"
"""Name of the condition that shows only what is relevant."""


@dataclass(frozen=True)
class View:
    """One way of putting an item.

    Attributes:
        item: The item; its answer and options stay what they are.
        question: The question.
        context: The text context.
        shown: Where the media that are shown come from, one of a kind.
        condition: ``clean``, or the names of the perturbations that were applied, joined by ``+``.
        named: The wrong option that an added text names, if it names one.
    """

    item: Item
    question: str
    context: str | None
    shown: tuple[MediaSource, ...]
    condition: str = CLEAN
    named: str | None = None

    @property
    def media(self) -> dict[Modality, MediaSource]:
        """What is shown, by modality."""
        return {source.kind: source for source in self.shown}

    @property
    def image(self) -> MediaSource | None:
        """The picture."""
        return self.media.get("image")

    def showing(self, source: MediaSource) -> View:
        """Return the view with this shown, in the place of another one of its kind."""
        return replace(self, shown=(*(other for other in self.shown if other.kind != source.kind), source))

    def shows(self, modality: Modality) -> bool:
        """Whether the view gives evidence of a modality."""
        return modality in self.media if modality != "text" else self.context is not None

    def prompt(self, opened: Opened) -> Prompt:
        """Return the view as a prompt with lettered options.

        Raises:
            DataError: A medium is corrupt.
            MissingImageError: A medium is gone.
        """
        return Prompt(
            question=self.question,
            media={kind: (opened.open(source),) for kind, source in self.media.items()},
            context=self.context,
            choices=self.item.choices,
        )


class Opened:
    """Media opened so far, so that the views of an item open theirs once."""

    def __init__(self) -> None:
        self._opened: dict[tuple[Modality, str], Any] = {}

    def open(self, source: MediaSource) -> Any:
        """Open a medium, or return the one that is open already."""
        key = (source.kind, source.fingerprint)
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
    media = [item.source_of(kind) for kind in SHOWN if kind in (item.relevant or ())]
    return View(item, item.question, shown_context(item), tuple(source for source in media if source is not None))


def shown_context(item: Item) -> str | None:
    """Return the context that belongs to an item's question; None where the text is irrelevant, or there is none."""
    return item.context if "text" in (item.relevant or PAIR) and item.context else None


def irrelevant_modalities(item: Item) -> tuple[Modality, ...]:
    """Return the modalities that do not matter for an item, in the order of tables.

    Image or text need not be there to be irrelevant: something can be put in their place. Another modality does not
    matter if the item has evidence of it that is not relevant. A conflict item has none.
    """
    if item.relevant is None:
        return ()
    return tuple(name for name in in_order((*PAIR, *item.modalities)) if name not in item.relevant)


def with_relevant(items: Iterable[Item], relevant: Relevant) -> Items:
    """Say for items without ``relevant`` what the right answer needs, so that any benchmark can be diagnosed.

    A conflict item becomes one with a right answer: under ``image`` its context is the misleading text, under ``text``
    its picture the misleading image. Options are the two answers where the item has none.

    Raises:
        UsageError: Several modalities for a conflict item, whose answers cannot all be right.
    """
    needed, found = relevant_of(relevant, "`relevant` of with_relevant"), Items((), getattr(items, "skipped", ()))
    for item in items:
        if item.relevant is None and needed is not None and len(needed) > 1:
            raise UsageError(
                f"`relevant` of conflict items must be one of {', '.join(item.modalities)}; got "
                f"{relevant_name(needed)} for item {item.id}, whose answers differ."
            )
        options = item.choices or tuple(item.answer_of(name) for name in item.modalities)
        found.append(item if item.relevant else item.replace(relevant=needed, choices=options))
    return found
