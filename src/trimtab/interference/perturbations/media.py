"""Media of other items, and of the item itself where they do not matter; for each kind of media the same."""

from __future__ import annotations

from dataclasses import dataclass

from trimtab.interference.perturbations.base import Draw, Kind
from trimtab.interference.views import View
from trimtab.modalities import Modality

# A data set in which ten draws all hit the item's own picture has hardly any other.
_TRIES = 10


@dataclass(frozen=True)
class Borrowed:
    """What another item of the data set shows."""

    name: str
    modality: Modality
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Show what another item shows; None if no other item has anything that is not this item's own."""
        mine = view.item.source_of(self.modality)
        lenders = draw.donors.lenders[self.modality]
        for _ in range(_TRIES if lenders else 0):
            source = draw.rng.choice(lenders).source_of(self.modality)
            if source is not None and (mine is None or source.fingerprint != mine.fingerprint):
                return view.showing(source)
        return None


@dataclass(frozen=True)
class Own:
    """What the data set itself shows beside an item for which it does not matter."""

    name: str
    modality: Modality
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View | None:
        """Show what the item has; None if it has nothing."""
        source = view.item.source_of(self.modality)
        return None if source is None else view.showing(source)
