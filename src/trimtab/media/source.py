"""``open_picture``: whatever holds a picture, by the same rules."""

from __future__ import annotations

import io
import os
from os import PathLike
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from PIL import Image

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.media.arrays import image_of
from trimtab.media.decode import decoding, opened, suffix_of
from trimtab.media.kinds import MediumKind, register_kind
from trimtab.media.picture import (
    Picture,
    blank_picture,
    example_picture,
    noise_picture,
    picture_key,
    shuffled_picture,
)
from trimtab.media.rgb import to_picture


@runtime_checkable
class Source(Protocol):
    """Anything that opens a picture when it is asked to, such as the ``image`` of an item."""

    def open(self) -> Image.Image:
        """Open the picture."""
        ...


LONGEST_SHOWN = 300
"""Characters of a path that an error quotes."""

PictureSource = str | PathLike[str] | bytes | bytearray | memoryview | Image.Image | np.ndarray | Source
"""What ``open_picture`` takes."""


def open_picture(source: PictureSource, name: str | None = None) -> Picture:
    """Open a picture: turned upright, on white where it is transparent, in 8-bit RGB.

    The first frame of a file is taken, and the frame that a PIL image stands at. A PIL image is not changed, closed
    or kept: what is returned has pixels of its own.

    Args:
        source: A path, the bytes of an image file, a PIL image, a numpy array (see ``docs/pictures.md``), or an
            object with ``open()``.
        name: What an error calls it; left out, its path or kind.

    Raises:
        MissingImageError: There is no file of that path.
        DataError: It is corrupt, too large, or of a kind that cannot be shown.
        UsageError: It is nothing that holds a picture.
    """
    if isinstance(source, Picture) and source.untouched:
        return source
    if isinstance(source, Image.Image):
        name = name or "given as PIL image"
        with decoding(name):
            return to_picture(source, name)
    if isinstance(source, str | PathLike):
        return _open_file(Path(source), name or shown_path(str(source)) or ".")
    if isinstance(source, bytes | bytearray | memoryview):
        return _open_encoded(bytes(source), name or "given as bytes")
    if isinstance(source, np.ndarray):
        name = name or "given as array"
        return to_picture(image_of(source, name), name)
    if isinstance(source, Source):
        picture = open_picture(source.open(), name)
        if picture.origin is None:
            picture.origin = source
        return picture
    raise UsageError(
        f"image {name or 'of a prompt'} must be a path, bytes, a PIL image or a numpy array; got "
        f"{type(source).__name__}; convert it to one of these."
    )


def _open_encoded(data: bytes, name: str) -> Picture:
    with opened(io.BytesIO(data), name) as image:
        picture = to_picture(image, name)
    picture.origin = data
    return picture


def _open_file(path: Path, name: str) -> Picture:
    check_file(path, name)
    try:
        file = path.open("rb")
    except OSError as error:
        raise unreadable(error, name) from error
    with file, opened(file, name) as image:
        picture, found = to_picture(image, name), os.fstat(file.fileno())
    picture.origin, picture.stamp = path.absolute(), (found.st_mtime_ns, found.st_size)
    return picture


def shown_path(path: str) -> str:
    """A path as errors quote it: some users give a whole picture in letters (a ``data:`` address) for a path."""
    return path if len(path) <= LONGEST_SHOWN else f"{path[:LONGEST_SHOWN]}..."


def check_file(path: Path, name: str, kind: str = "image") -> None:
    """Refuse a path that leads to no file; a pipe or a device could be read for ever.

    Raises:
        MissingImageError: There is nothing.
        DataError: It is something else.
    """
    try:
        if path.is_file():
            return
        there = path.exists()
    except OSError as error:
        raise unreadable(error, name, kind) from error
    if there:
        raise DataError(f"{kind} {name} must be a file; it is a {'folder' if path.is_dir() else 'device'}.")
    raise MissingImageError(f"{kind} {name} is not there; check the path, or put the file back.")


def unreadable(error: OSError, name: str, kind: str = "image") -> DataError | MissingImageError:
    """The error for a file that the system does not give out."""
    if isinstance(error, FileNotFoundError):
        return MissingImageError(f"{kind} {name} is not there; check the path, or put the file back.")
    return DataError(f"{kind} {name} cannot be read ({error.strerror}); check the file.")


def _as_png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format="PNG")
    return buffer.getvalue()


register_kind(
    MediumKind(
        "image",
        "picture",
        Picture,
        open=open_picture,
        fingerprint=picture_key,
        shape=lambda picture: picture.size,
        encode=_as_png,
        suffix=suffix_of,
        example=example_picture,
        spoil={"blank": blank_picture, "shuffle": shuffled_picture, "noise": noise_picture},
    )
)
