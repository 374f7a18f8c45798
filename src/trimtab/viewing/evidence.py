"""The items that a run's answers are about: their questions, and their pictures as PNG.

A run folder names its items and does not hold them. Those of the bundled benchmark are made again. Others are read from
the data that whoever started the server gave, never from a path that a run folder names.
"""

from __future__ import annotations

from functools import lru_cache
from threading import RLock
from typing import TYPE_CHECKING

from trimtab.errors import DataError, MissingImageError
from trimtab.items.readers.pocket import POCKET_SOURCES, POCKET_SPLITS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trimtab.items import Item
    from trimtab.viewing.folders import RunEntry

FIRST = ("test", "validation", "train")
"""Splits in the order in which an item is looked for: the answers of a run are mostly of the test."""
PICTURES = 512
"""Pictures that stay in memory."""
LARGEST_SIDE = 512
"""Pixels of a picture's longer side on a page."""


class EvidenceOf:
    """Finds items by name."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        """Take the items that whoever started the server gave; they come before bundled ones."""
        self._given = {item.id: item for item in items}
        self._bundled: dict[str, dict[str, Item]] = {}
        self._lock = RLock()  # drawing and reading are done once, and not by two requests at a time
        self._png = lru_cache(maxsize=PICTURES)(_drawn)
        self._sources = lru_cache(maxsize=PICTURES)(lambda run, _changed: _sources(run))

    def find(self, run: RunEntry, item: str) -> Item | None:
        """Return an item of a run; None if it is neither bundled nor among those given."""
        with self._lock:
            if item in self._given:
                return self._given[item]
            for source in self._sources(run, run.changed()):
                found = self._items(source).get(item)
                if found is not None:
                    return found
        return None

    def knows(self, run: RunEntry) -> bool:
        """Whether a run's items can be found at all."""
        return bool(self._given or self._sources(run, run.changed()))

    def png(self, item: Item) -> bytes | None:
        """Return an item's picture, or the first frame of its clip; None if it has none that can be opened."""
        with self._lock:
            return self._png(item)

    def _items(self, source: str) -> dict[str, Item]:
        from trimtab.items import read_items

        if source not in self._bundled:
            self._bundled[source] = {item.id: item for item in read_items(source)}
        return self._bundled[source]


def _drawn(item: Item) -> bytes | None:
    from trimtab.media import medium_kind

    try:
        if item.image is not None:
            picture = item.image.open()
        elif item.video is not None:
            picture = item.video.open().frame(0)
        else:
            return None
    except (DataError, MissingImageError):
        return None
    if max(picture.size) > LARGEST_SIDE:
        picture = picture.copy()
        picture.thumbnail((LARGEST_SIDE, LARGEST_SIDE))
    return medium_kind("image").encode(picture)


def _sources(run: RunEntry) -> list[str]:
    """Return the bundled sources that a run's items can be of."""
    plan = run.config().get("plan")
    data = plan.get("data") if isinstance(plan, dict) else None
    name, _, split = data.partition(":") if isinstance(data, str) else ("", "", "")
    if name not in POCKET_SOURCES:
        return []
    return [f"{name}:{one}" for one in ([split] if split in POCKET_SPLITS else FIRST)]
