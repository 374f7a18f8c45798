"""Where what an item shows comes from: a file, bytes or a medium in memory, or a scene that draws itself.

Every source can be opened, fingerprinted and encoded the same way, so nothing else asks which one it is. All of them
open through ``trimtab.media``, so a picture looks the same wherever it comes from. Its ``kind`` says how.
"""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from trimtab.errors import MissingImageError

# PIL and numpy are loaded when a picture is opened, not when items are read.
if TYPE_CHECKING:
    from PIL.Image import Image

    from trimtab.media import Picture, PictureSource


class MediaSource(ABC):
    """A picture that is loaded only when it is asked for."""

    @abstractmethod
    def open(self) -> Image:
        """The picture in RGB."""

    @abstractmethod
    def encoded(self) -> bytes:
        """The picture as the bytes of an image file."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that tells two pictures apart, the same in every process."""
        return hashlib.sha256(self._identity_or_name()).hexdigest()

    def _identity_or_name(self) -> bytes:
        """One picture that cannot be read must not keep a data set from being told apart, split or shuffled."""
        try:
            return self._identity()
        except Exception:  # whatever a file or a drawing comes up with; opening it says what is wrong
            return f"unreadable {self._name()}".encode("utf-8", "backslashreplace")

    def _name(self) -> str:
        """What tells it apart where it cannot be read."""
        return repr(self)

    def _identity(self) -> bytes:
        """What makes the picture this one: its encoded bytes, which need not be decoded or be sound."""
        return self.encoded()


class Scene(Protocol):
    """Anything that draws itself, always the same way."""

    def render(self) -> Image:
        """Draw the picture."""
        ...


@dataclass(frozen=True)
class MediaFile(MediaSource):
    """A picture in a file; if it is gone, every method raises MissingImageError."""

    path: Path

    def _name(self) -> str:
        return f"ImageFile(path={self.path!r})"  # as fingerprints in run folders have it

    def open(self) -> Image:
        """The picture in RGB. Raises MissingImageError if it is not there, DataError if it is corrupt."""
        from trimtab.media import open_picture

        return open_picture(self.path)

    def encoded(self) -> bytes:
        """The file's bytes. Raises MissingImageError if it is not there."""
        from trimtab.media import check_file, unreadable

        check_file(self.path, str(self.path))
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise unreadable(error, str(self.path)) from error


@dataclass(frozen=True)
class MediaBytes(MediaSource):
    """A picture as the bytes of an image file. ``name`` is what an error calls it."""

    data: bytes = field(repr=False)
    name: str = field(default="given as bytes", compare=False)

    def open(self) -> Image:
        """The picture in RGB. Raises DataError if the bytes are corrupt."""
        from trimtab.media import open_picture

        return open_picture(self.data, self.name)

    def encoded(self) -> bytes:
        """The bytes."""
        return self.data


class MediaHeld(MediaSource):
    """A picture in memory: its pixels are copied, so that what becomes of the original does not matter.

    Args:
        picture: A PIL image, or an array as ``open_picture`` takes it.

    Raises:
        DataError: It cannot be shown.
    """

    def __init__(self, picture: PictureSource) -> None:
        from trimtab.media import open_picture

        self._picture: Picture = open_picture(picture)

    def __repr__(self) -> str:
        width, height = self._picture.size
        return f"MediaHeld({width} x {height})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MediaHeld) and self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def open(self) -> Image:
        """The picture in RGB."""
        return self._picture

    def encoded(self) -> bytes:
        """The picture as PNG, which loses nothing."""
        return _as_png(self._picture)

    def _identity(self) -> bytes:
        return _pixels(self._picture)


@dataclass(frozen=True)
class ImageScene(MediaSource):
    """A picture that is drawn when it is opened, such as a pocket scene."""

    scene: Scene

    def open(self) -> Image:
        """The drawing in RGB."""
        from trimtab.media import open_picture

        return open_picture(self.scene.render(), "drawn by a scene")

    def encoded(self) -> bytes:
        """The drawing as PNG, which loses nothing."""
        return _as_png(self.open())

    def _identity(self) -> bytes:
        """A dataclass says all that it draws, so thousands of scenes need no drawing; others need theirs."""
        if is_dataclass(self.scene):
            return repr(self.scene).encode()
        return _pixels(self.open())


@dataclass(frozen=True)
class MediaUnlocated(MediaSource):
    """A picture known by name only, because no image folder was given.

    Items can be counted, split and fingerprinted without their pictures; only opening one needs the folder.
    """

    name: str

    def open(self) -> Image:
        """Raises MissingImageError, always."""
        raise self._missing()

    def encoded(self) -> bytes:
        """Raises MissingImageError, always."""
        raise self._missing()

    def _identity(self) -> bytes:
        return f"unlocated {self.name}".encode()

    def _missing(self) -> MissingImageError:
        return MissingImageError(
            f"images of read_items must be a folder before image {self.name} can be opened; "
            "it was None: pass images=COCO_FOLDER."
        )


class ItemImage:
    """The ``image`` of an item: set to a picture in any form, read as its source."""

    def __get__(self, owner: Any, kind: type) -> MediaSource | None:
        """The source; that of the class is the field's default."""
        return None if owner is None else owner.__dict__["image"]

    def __set__(self, owner: Any, value: MediaSource | PictureSource | None) -> None:
        """Make a source of what is given."""
        # A frozen dataclass sets its fields past its own __setattr__, and so does this.
        owner.__dict__["image"] = as_source(value)


def as_source(image: MediaSource | PictureSource | None) -> MediaSource | None:
    """Return the source of a picture in any form: files and bytes are opened later, pixels are copied now.

    Raises:
        DataError: Pixels that cannot be shown.
        UsageError: It is nothing that holds a picture.
    """
    if image is None or isinstance(image, MediaSource):
        return image
    if isinstance(image, str | PathLike):
        return MediaFile(Path(image))
    if isinstance(image, bytes | bytearray | memoryview):
        return MediaBytes(bytes(image))
    return MediaHeld(image)


def _as_png(picture: Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


def _pixels(picture: Image) -> bytes:
    return f"{picture.size}".encode() + picture.tobytes()
