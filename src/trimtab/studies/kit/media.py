"""Items whose pictures, sounds and clips are opened once and kept, for the length of a study."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from trimtab.errors import DataError, MissingImageError
from trimtab.items import Items, Skipped
from trimtab.items.admission import say_left_out
from trimtab.items.sources import ImageScene, MediaSource
from trimtab.modalities import SHOWN, place_of

if TYPE_CHECKING:
    from PIL.Image import Image

    from trimtab.items import Item


LARGE = 2_000_000
"""Pixels of a picture from which on it is decoded each time: four hundred photos would take the memory of a model."""


class KeptMedium(MediaSource):
    """A medium that is decoded or drawn once, if it is not large: a study asks dozens of questions of each."""

    def __init__(self, source: MediaSource) -> None:
        self.source = source
        self.kind = source.kind
        self._kept: Any = None

    def open(self) -> Any:
        """The medium, the same object each time; of a large picture a new one."""
        if self._kept is not None:
            return self._kept
        medium = self.source.open()
        width, height = medium.size if self.kind == "image" else (0, 0)
        if width * height <= LARGE:
            self._kept = medium
        return medium

    def encoded(self) -> bytes:
        """The source's bytes."""
        return self.source.encoded()

    def _identity(self) -> bytes:
        if isinstance(self.source, ImageScene):  # its identity is what it draws; drawing takes time
            return ImageScene(_Drawn(self.open()))._identity()
        return self.source._identity()


class _Drawn:
    """A scene that is drawn already."""

    def __init__(self, picture: Image) -> None:
        self.picture = picture

    def render(self) -> Image:
        """The picture."""
        return self.picture


def with_kept_media(items: Iterable[Item]) -> Items:
    """Open every picture, sound and clip and keep it; items of which one cannot be read are left out.

    Returns:
        The items; those left out are listed in ``.skipped`` by their place, counted from 1, and the reason.
    """
    kept, lost = Items((), getattr(items, "skipped", ())), []
    for place, item in enumerate(items, start=1):
        try:
            kept.append(_with_kept_media(item))
        except (DataError, MissingImageError) as error:
            lost.append(Skipped(place, f"item {item.id}: {error}"))
    say_left_out(lost, len(kept) + len(lost))
    kept.skipped += lost
    return kept


def _with_kept_media(item: Item) -> Item:
    kept: dict[str, KeptMedium] = {}
    for kind in SHOWN:
        source = item.source_of(kind)
        if source is not None and not isinstance(source, KeptMedium):
            kept[place_of(kind)] = KeptMedium(source)
            kept[place_of(kind)].open()
    return item.replace(**kept) if kept else item
