"""Media that prompts hold without holding their content: they are opened again from where they came."""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from PIL import Image

from trimtab.errors import DataError
from trimtab.media.kinds import Medium, medium_kind, open_medium
from trimtab.media.picture import Picture
from trimtab.modalities import Modality

M = TypeVar("M", bound=Medium)

RECENT_BYTES = 64_000_000
"""Content of the media opened last that stays in memory, so that what is asked several times in a row opens once."""


class Held(Generic[M]):
    """A medium: itself, or where it came from if that opens it again."""

    def __init__(self, medium: M, kind: Modality = "image") -> None:
        """Hold an opened medium; only its origin is kept alive where it has one."""
        self._kind: Modality = kind
        self._class = type(medium)
        self._origin = medium.origin
        self._kept = medium if self._origin is None else None
        self._last, self._stamp = weakref.ref(medium), medium.stamp
        if self._origin is not None:
            _recent.add(medium)

    def open(self) -> M:
        """Return the medium, opened again if it was let go of.

        Raises:
            MissingImageError: Its file is gone.
            DataError: Its file can no longer be read, or was changed.
        """
        medium = self._kept or self._last()
        if medium is None:
            medium = open_medium(self._kind, self._origin)
            assert isinstance(medium, self._class)
            if medium.stamp != self._stamp:
                raise DataError(
                    f"{self._kind} {self._origin} must stay as it is until its prompt is answered; its file was "
                    "changed; make the prompt again."
                )
            self._last = weakref.ref(medium)
        if self._origin is not None:
            _recent.add(medium)
        return medium

    @property
    def noun(self) -> str:
        """What an error calls it."""
        return medium_kind(self._kind).noun

    def __reduce__(self) -> tuple[object, tuple[M, Modality]]:
        """Copies and other processes get the medium itself: files may lie elsewhere there."""
        return Held, (self.open(), self._kind)


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
    """The media opened last, up to a number of bytes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._media: OrderedDict[int, Medium] = OrderedDict()
        self._bytes = 0

    def add(self, medium: Medium) -> None:
        with self._lock:
            if self._media.pop(id(medium), None) is None:
                self._bytes += medium.nbytes
            self._media[id(medium)] = medium
            while self._bytes > RECENT_BYTES:
                _, oldest = self._media.popitem(last=False)
                self._bytes -= oldest.nbytes


_recent = _Recent()
