"""Where an item's picture comes from: a file, bytes in memory, or a scene that draws itself.

Every source can be opened, fingerprinted and encoded the same way, so nothing else asks which kind it is.
"""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, is_dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from trimtab.errors import DataError, MissingImageError

if TYPE_CHECKING:
    from PIL.Image import Image


class ImageSource(ABC):
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
        return hashlib.sha256(self._identity()).hexdigest()

    def _identity(self) -> bytes:
        """What makes the picture this one: its encoded bytes, which need not be decoded or be sound."""
        return self.encoded()


class Scene(Protocol):
    """Anything that draws itself, always the same way."""

    def render(self) -> Image:
        """Draw the picture."""
        ...


@dataclass(frozen=True)
class ImageFile(ImageSource):
    """A picture in a file; if it is gone, every method raises MissingImageError."""

    path: Path

    def open(self) -> Image:
        """The picture in RGB. Raises MissingImageError if it is not there, DataError if it is corrupt."""
        return _decode(self.encoded(), str(self.path))

    def encoded(self) -> bytes:
        """The file's bytes. Raises MissingImageError if it is not there."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            raise MissingImageError(f"image {self.path} is not there any more; restore it.") from None
        except OSError as error:
            raise DataError(f"image {self.path} cannot be read ({error.strerror}); check the file.") from error


@dataclass(frozen=True)
class ImageBytes(ImageSource):
    """A picture as the bytes of an image file. ``name`` is what an error calls it."""

    data: bytes = field(repr=False)
    name: str = field(default="image bytes", compare=False)

    def open(self) -> Image:
        """The picture in RGB. Raises DataError if the bytes are corrupt."""
        return _decode(self.data, self.name)

    def encoded(self) -> bytes:
        """The bytes."""
        return self.data


@dataclass(frozen=True)
class ImageScene(ImageSource):
    """A picture that is drawn when it is opened, such as a pocket scene."""

    scene: Scene

    def open(self) -> Image:
        """The drawing in RGB."""
        return self.scene.render().convert("RGB")

    def encoded(self) -> bytes:
        """The drawing as PNG, which loses nothing."""
        buffer = io.BytesIO()
        self.open().save(buffer, format="PNG")
        return buffer.getvalue()

    def _identity(self) -> bytes:
        """A dataclass says all that it draws, so thousands of scenes need no drawing; others need theirs."""
        if is_dataclass(self.scene):
            return repr(self.scene).encode()
        picture = self.open()
        return f"{picture.size}".encode() + picture.tobytes()


@dataclass(frozen=True)
class ImageUnlocated(ImageSource):
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


def file_suffix(data: bytes, name: str) -> str:
    """The file suffix for encoded image bytes, such as ``.png``. Raises DataError if they are corrupt."""
    with _opened(data, name) as picture:
        return f".{(picture.format or 'img').lower()}"


def _decode(data: bytes, name: str) -> Image:
    with _opened(data, name) as picture:
        return picture.convert("RGB")


@contextmanager
def _opened(data: bytes, name: str) -> Iterator[Image]:
    """The picture in encoded bytes; whatever its decoder raises becomes one DataError."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            yield picture
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"image {name} is corrupt or no image ({error}); replace it or remove the item.") from error
