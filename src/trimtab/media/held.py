"""Pictures that prompts hold without holding their pixels: they are opened again from where they came."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable

from PIL import Image

from trimtab.errors import DataError
from trimtab.media.picture import Picture

RECENT_BYTES = 64_000_000
"""Pixels of the pictures opened last that stay in memory, so that what is asked several times in a row opens once."""


class Held:
    """A picture: itself, or where it came from if that opens it again."""

    def __init__(self, picture: Picture) -> None:
        """Hold a picture; only its origin is kept alive where it has one."""
        self._origin = picture.origin
        self._kept = picture if self._origin is None else None
        self._last, self._stamp = weakref.ref(picture), picture.stamp
        if self._origin is not None:
            _recent.add(picture)

    def open(self) -> Picture:
        """Return the picture, opened again if it was let go of.

        Raises:
            MissingImageError: Its file is gone.
            DataError: Its file can no longer be read, or was changed.
        """
        from trimtab.media.source import open_picture

        picture = self._kept or self._last()
        if picture is None:
            assert self._origin is not None
            picture = open_picture(self._origin)
            if picture.stamp != self._stamp:
                raise DataError(
                    f"image {self._origin} must stay as it is until its prompt is answered; its file was changed; make "
                    "the prompt again."
                )
            self._last = weakref.ref(picture)
        if self._origin is not None:
            _recent.add(picture)
        return picture

    def __reduce__(self) -> tuple[object, tuple[Picture]]:
        """Copies and other processes get the picture itself: files may lie elsewhere there."""
        return Held, (self.open(),)


class Made:
    """A picture that is made from another one whenever it is opened, always in the same way."""

    def __init__(self, picture: Image.Image, change: Callable[[Image.Image], Image.Image]) -> None:
        """Say how.

        Args:
            picture: The other one.
            change: Makes it; equal pictures must become equal ones.
        """
        self._held = Held(picture) if isinstance(picture, Picture) else None
        self._picture = None if self._held else picture
        self._change = change

    def open(self) -> Image.Image:
        """Make the picture."""
        picture = self._held.open() if self._held else self._picture
        assert picture is not None
        return self._change(picture)


class _Recent:
    """The pictures opened last, up to a number of bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pictures: OrderedDict[int, Picture] = OrderedDict()
        self._bytes = 0

    def add(self, picture: Picture) -> None:
        with self._lock:
            if self._pictures.pop(id(picture), None) is None:
                self._bytes += _bytes_of(picture)
            self._pictures[id(picture)] = picture
            while self._bytes > RECENT_BYTES:
                _, oldest = self._pictures.popitem(last=False)
                self._bytes -= _bytes_of(oldest)


def _bytes_of(picture: Picture) -> int:
    return 3 * picture.width * picture.height


_recent = _Recent()
