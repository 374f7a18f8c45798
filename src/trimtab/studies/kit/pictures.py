"""Items whose pictures are opened once and kept, for the length of a study."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from trimtab.errors import DataError, MissingImageError
from trimtab.items import Items, Skipped
from trimtab.items.admission import say_left_out
from trimtab.items.sources import ImageScene, MediaSource

if TYPE_CHECKING:
    from PIL.Image import Image

    from trimtab.items import Item


class KeptImage(MediaSource):
    """A picture that is decoded or drawn once: a study asks dozens of questions of each."""

    def __init__(self, source: MediaSource) -> None:
        self.source = source

    @cached_property
    def picture(self) -> Image:
        """The picture in RGB."""
        return self.source.open()

    def open(self) -> Image:
        """The picture in RGB, the same object each time."""
        return self.picture

    def encoded(self) -> bytes:
        """The source's bytes."""
        return self.source.encoded()

    def _identity(self) -> bytes:
        if isinstance(self.source, ImageScene):  # its identity is what it draws; drawing takes time
            return ImageScene(_Drawn(self.picture))._identity()
        return self.source._identity()


class _Drawn:
    """A scene that is drawn already."""

    def __init__(self, picture: Image) -> None:
        self.picture = picture

    def render(self) -> Image:
        """The picture."""
        return self.picture


def with_kept_images(items: Iterable[Item]) -> Items:
    """Open every picture and keep it; items whose picture cannot be read are left out.

    Returns:
        The items; those left out are listed in ``.skipped`` by their place, counted from 1, and the reason.
    """
    kept, lost = Items((), getattr(items, "skipped", ())), []
    for place, item in enumerate(items, start=1):
        try:
            kept.append(_with_kept_image(item))
        except (DataError, MissingImageError) as error:
            lost.append(Skipped(place, f"item {item.id}: {error}"))
    say_left_out(lost, len(kept) + len(lost))
    kept.skipped += lost
    return kept


def _with_kept_image(item: Item) -> Item:
    if item.image is None or isinstance(item.image, KeptImage):
        return item
    image = KeptImage(item.image)
    image.open()
    return replace(item, image=image)
