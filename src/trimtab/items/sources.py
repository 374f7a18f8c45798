"""Where what an item shows comes from: a file, bytes or a medium in memory, or a scene that draws itself.

Every source can be opened, fingerprinted and encoded the same way, so nothing else asks which one it is. All of them
open through ``trimtab.media``, so a picture looks the same wherever it comes from. Its ``kind`` says how.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from trimtab.errors import MissingImageError, UsageError
from trimtab.modalities import Modality

# PIL and numpy are loaded when a picture is opened, not when items are read.
if TYPE_CHECKING:
    from PIL.Image import Image

    from trimtab.media import Picture, PictureSource

    Given = PictureSource


class MediaSource(ABC):
    """A picture, sound or clip that is loaded only when it is asked for."""

    kind: Modality

    @abstractmethod
    def open(self) -> Any:
        """The medium: a picture in RGB, a ``Sound`` or a ``Clip``, as ``kind`` says."""

    @abstractmethod
    def encoded(self) -> bytes:
        """The medium as the bytes of a file."""

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 that tells two media apart, the same in every process."""
        return hashlib.sha256(self._identity_or_name()).hexdigest()

    def _identity_or_name(self) -> bytes:
        """One medium that cannot be read must not keep a data set from being told apart, split or shuffled."""
        try:
            return self._identity()
        except Exception:  # whatever a file or a drawing comes up with; opening it says what is wrong
            return f"unreadable {self._name()}".encode("utf-8", "backslashreplace")

    def _name(self) -> str:
        """What tells it apart where it cannot be read."""
        return repr(self)

    def _identity(self) -> bytes:
        """What makes the medium this one: its encoded bytes, which need not be decoded or be sound."""
        return self.encoded()


class Scene(Protocol):
    """Anything that draws itself, always the same way."""

    def render(self) -> Image:
        """Draw the picture."""
        ...


@dataclass(frozen=True)
class MediaFile(MediaSource):
    """A medium in a file; if it is gone, every method raises MissingImageError."""

    path: Path
    kind: Modality = "image"

    def _name(self) -> str:
        return f"{self.kind.capitalize()}File(path={self.path!r})"  # as fingerprints in run folders have it

    def open(self) -> Any:
        """The medium. Raises MissingImageError if it is not there, DataError if it is corrupt."""
        return opened_as(self.kind, self.path)

    def encoded(self) -> bytes:
        """The file's bytes; those of a clip made of a folder of frames. Raises MissingImageError if it is not there."""
        from trimtab.media import check_file, medium_kind, unreadable

        if medium_kind(self.kind).in_folder and self.path.is_dir():
            return _encoded(self.kind, self.open())
        check_file(self.path, str(self.path), self.kind)
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise unreadable(error, str(self.path), self.kind) from error


@dataclass(frozen=True)
class MediaBytes(MediaSource):
    """A medium as the bytes of a file. ``name`` is what an error calls it."""

    data: bytes = field(repr=False)
    name: str = field(default="given as bytes", compare=False)
    kind: Modality = "image"

    def open(self) -> Any:
        """The medium. Raises DataError if the bytes are corrupt."""
        return opened_as(self.kind, self.data, self.name)

    def encoded(self) -> bytes:
        """The bytes."""
        return self.data


class MediaHeld(MediaSource):
    """A medium in memory: it is copied, so that what becomes of the original does not matter.

    Args:
        medium: What ``trimtab.media`` opens: for a picture a PIL image or an array.
        kind: The modality.

    Raises:
        DataError: It cannot be shown.
    """

    def __init__(self, medium: object, kind: Modality = "image") -> None:
        self.kind = kind
        self._medium = opened_as(kind, medium)

    def __repr__(self) -> str:
        return f"MediaHeld({self._medium!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MediaHeld) and (self.kind, self.fingerprint) == (other.kind, other.fingerprint)

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def open(self) -> Any:
        """The medium."""
        return self._medium

    def encoded(self) -> bytes:
        """The medium as a file that loses nothing: PNG for a picture."""
        return _encoded(self.kind, self._medium)

    def _identity(self) -> bytes:
        return _pixels(self._medium) if self.kind == "image" else self._medium.fingerprint.encode()


@dataclass(frozen=True)
class ImageScene(MediaSource):
    """A picture that is drawn when it is opened, such as a pocket scene."""

    scene: Scene
    kind: Modality = field(default="image", init=False, repr=False)

    def open(self) -> Picture:
        """The drawing in RGB."""
        from trimtab.media import open_picture

        return open_picture(self.scene.render(), "drawn by a scene")

    def encoded(self) -> bytes:
        """The drawing as PNG, which loses nothing."""
        return _encoded(self.kind, self.open())

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
    kind: Modality = "image"

    def open(self) -> NoReturn:
        """Raises MissingImageError, always."""
        raise self._missing()

    def encoded(self) -> NoReturn:
        """Raises MissingImageError, always."""
        raise self._missing()

    def _identity(self) -> bytes:
        return f"unlocated {self.name}".encode()

    def _missing(self) -> MissingImageError:
        return MissingImageError(
            f"images must be a folder before image {self.name} can be opened; it was None: pass images=COCO_FOLDER."
        )


def as_source(given: MediaSource | Given | None, kind: Modality) -> MediaSource | None:
    """Return the source of a medium in any form: files and bytes are opened later, one in memory is copied now.

    Raises:
        DataError: It cannot be shown.
        UsageError: It is nothing that holds a medium of the kind.
    """
    if given is None:
        return None
    if isinstance(given, MediaSource):
        if given.kind != kind:
            raise UsageError(f"`{kind}` of Item must be a source of that kind; got one of kind {given.kind!r}.")
        return given
    if isinstance(given, str | PathLike):
        return MediaFile(Path(given), kind)
    if isinstance(given, bytes | bytearray | memoryview):
        return MediaBytes(bytes(given), kind=kind)
    return MediaHeld(given, kind)


def opened_as(kind: Modality, source: object, name: str | None = None) -> Any:
    """Return the medium of a kind that a source holds; see ``trimtab.media.open_medium``."""
    from trimtab.media import open_medium

    return open_medium(kind, source, name)


def _encoded(kind: Modality, medium: object) -> bytes:
    from trimtab.media import medium_kind

    return medium_kind(kind).encode(medium)


def _pixels(picture: Image) -> bytes:
    return f"{picture.size}".encode() + picture.tobytes()
