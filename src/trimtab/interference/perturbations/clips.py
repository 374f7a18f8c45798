"""Clips that have nothing to do with the question."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from trimtab.interference.perturbations.base import Draw, Kind, register
from trimtab.interference.perturbations.images import SIDE
from trimtab.interference.perturbations.media import Borrowed, Own
from trimtab.interference.views import View
from trimtab.items.sources import MediaHeld
from trimtab.media import Clip
from trimtab.modalities import Modality

FRAMES = 2
"""Frames of a made-up clip beside an item that has none of its own."""


@dataclass(frozen=True)
class BlackClip:
    """A clip on which nothing can be seen, of the frames and length of the item's own."""

    name: str = "black_video"
    modality: Modality = "video"
    kind: Kind = "irrelevant"

    def __call__(self, view: View, draw: Draw) -> View:
        """Show the black clip."""
        own = view.item.video
        like: Clip | None = None if own is None else own.open()
        size, count = ((SIDE, SIDE), FRAMES) if like is None else (like.size, len(like))
        black = Clip([Image.new("RGB", size)] * count, None if like is None else like.seconds)
        return view.showing(MediaHeld(black, "video"))


CLIPS = tuple(register(kind) for kind in (Borrowed("other_video", "video"), Own("own_video", "video"), BlackClip()))
