"""The modalities trimtab knows: their order, and what files and sentences call them. A new one is an entry here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Modality = Literal["image", "text", "audio", "video"]


@dataclass(frozen=True)
class ModalityFacts:
    """What files and sentences call a modality.

    Attributes:
        column: The column that holds its evidence: a passage for ``text``, else a path or bytes.
        content: What a sentence calls it: "follow the image content".
    """

    column: str
    content: str


FACTS: dict[Modality, ModalityFacts] = {
    "image": ModalityFacts("image", "image content"),
    "text": ModalityFacts("context", "text context"),
    "audio": ModalityFacts("audio", "audio content"),
    "video": ModalityFacts("video", "video content"),
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
