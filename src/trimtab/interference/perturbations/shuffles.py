"""Exchanging content between items: which of text, image and their interaction does a benchmark need?

Multi-modal Data Spectrum (arXiv 2509.23499). Options stay with their item, so an answer by options alone shows.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from trimtab.interference.perturbations.base import Draw, Kind, register
from trimtab.interference.views import View, shown_context
from trimtab.modalities import Modality


@dataclass(frozen=True)
class ShuffledImage:
    """The picture of another item of the data set."""

    name: str = "shuffled_image"
    modality: Modality = "image"
    kind: Kind = "shuffle"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Take the donor's picture; None for an item that has none."""
        donor = draw.donors.image_of(view.item)
        return None if donor is None or donor.image is None else view.showing(donor.image)


@dataclass(frozen=True)
class ShuffledText:
    """The question of another item of its family, and its context where this item shows one."""

    name: str = "shuffled_text"
    modality: Modality = "text"
    kind: Kind = "shuffle"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Take the donor's text; an item whose own context is not shown keeps what was added to it."""
        donor = draw.donors.text_of(view.item)
        if donor is None:
            return None
        context = view.context if shown_context(view.item) is None else shown_context(donor)
        return replace(view, question=donor.question, context=context)


SHUFFLES = (register(ShuffledImage()), register(ShuffledText()))
