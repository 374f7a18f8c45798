"""The modalities trimtab knows: their order, and what files, sentences and figures call them.

A new one is an entry here, and for one that is shown a file in ``trimtab.media``, which says how it is opened.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, Literal, TypedDict, TypeVar

Modality = Literal["image", "text", "audio", "video"]
Source = TypeVar("Source")
Given = TypeVar("Given")


@dataclass(frozen=True)
class ModalityFacts:
    """What files, sentences and figures call a modality.

    Attributes:
        content: What a sentence calls it: "follow the image content".
        piece: What a sentence calls one of it: "each item shows a picture".
        sense: What a sentence calls taking it in: "blocking preserves seeing and reading".
        colour: Its colour in figures, of Okabe and Ito's palette, which people with any common colour blindness can
            tell apart.
        told: How an example says in words what it does not show, with ``{}`` for the answer; empty for ``text``.
        file: What a file of one is, for the command line's help; empty for ``text``.
    """

    content: str
    piece: str
    sense: str
    colour: str
    told: str = ""
    file: str = ""


FACTS: dict[Modality, ModalityFacts] = {
    "image": ModalityFacts(
        "image content", "a picture", "seeing", "#0072B2", "The picture shows: {}.", "Picture file."
    ),
    "text": ModalityFacts("text context", "a text", "reading", "#E69F00"),
    "audio": ModalityFacts(
        "audio content", "a sound", "hearing", "#009E73", "The sound says: {}.", "Sound file (.wav)."
    ),
    "video": ModalityFacts(
        "video content",
        "a clip",
        "watching",
        "#CC79A7",
        "The clip shows: {}.",
        "Video or animated picture file, or a folder of frames.",
    ),
}

MODALITIES: tuple[Modality, ...] = tuple(FACTS)
"""All of them, in the order of tables."""

PAIR: tuple[Modality, Modality] = ("image", "text")
"""The two that most items set against each other, and the papers speak of."""

SHOWN: tuple[Modality, ...] = tuple(name for name in MODALITIES if name != "text")
"""Those that a prompt shows by positions of their own; the text is its words."""


def in_order(modalities: Iterable[str]) -> tuple[Modality, ...]:
    """Return modalities in the order of tables, each once."""
    given = set(modalities)
    return tuple(name for name in MODALITIES if name in given)


def others(modality: str, among: Iterable[str]) -> tuple[Modality, ...]:
    """Return the modalities beside one, in the order of tables."""
    return tuple(name for name in in_order(among) if name != modality)


def place_of(modality: Modality) -> str:
    """Return where a modality's evidence stands: the column of a file and an item, and the span of a prompt's tokens.

    That is its own name, but for the text, whose passage is the ``context``.
    """
    return "context" if modality == "text" else modality


class ColumnsGiven(TypedDict, Generic[Given], total=False):
    """Evidence as a call gives it, a column each, for type checkers; what works at run time comes from ``FACTS``."""

    image: Given
    context: str
    audio: object
    video: object
    answer_image: str
    answer_text: str
    answer_audio: str
    answer_video: str
    aliases_image: tuple[str, ...]
    aliases_text: tuple[str, ...]
    aliases_audio: tuple[str, ...]
    aliases_video: tuple[str, ...]


class ColumnsRead(Generic[Source]):
    """The same as an item has it, for type checkers."""

    image: Source | None
    context: str
    audio: Source | None
    video: Source | None
    answer_image: str
    answer_text: str
    answer_audio: str
    answer_video: str
    aliases_image: tuple[str, ...]
    aliases_text: tuple[str, ...]
    aliases_audio: tuple[str, ...]
    aliases_video: tuple[str, ...]
