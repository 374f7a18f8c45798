"""Clips: pictures one after the other and how long they last, from a film, an animated image, a folder or an array."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Sequence
from functools import cached_property
from itertools import pairwise
from os import PathLike
from pathlib import Path
from random import Random
from typing import IO, Any

import numpy as np
from PIL import Image

from trimtab.errors import DataError, UsageError
from trimtab.media.decode import opened, suffix_of
from trimtab.media.film import film_frames, is_film
from trimtab.media.held import Held
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
from trimtab.media.source import Source, check_file, open_picture, shown_path

MAX_FRAMES = 4096
"""A clip of more frames is refused; take every so manieth of them."""
FRAMES_A_SECOND = 2.0
"""How fast frames follow each other where nothing says it; what models with clips sample by default."""


class Clip:
    """Pictures of one size, one after the other.

    Attributes:
        seconds: How long it lasts.
        origin: What opens it again: the path or the bytes of an animated image or a film; None if nothing does.
        stamp: When its file was last changed, and its size in bytes; None where there is no file.
    """

    def __init__(
        self,
        frames: Sequence[Any] | np.ndarray,
        seconds: float | None = None,
        *,
        origin: object = None,
        stamp: tuple[int, int] | None = None,
    ) -> None:
        """Open the frames.

        Args:
            frames: Pictures in any form that ``open_picture`` takes; or an array ``(frames, height, width, channels)``.
            seconds: How long it lasts; left out, as long as at two frames a second.
            origin: See the class.
            stamp: See the class.

        Raises:
            DataError: There are no frames or too many, they differ in size, or it lasts no time.
        """
        if not 0 < len(frames) <= MAX_FRAMES:
            raise DataError(f"`frames` of a clip must be 1 to {MAX_FRAMES:,}; got {len(frames):,}; take some of them.")
        held, sizes = [], set()
        for number, frame in enumerate(frames):  # one by one: those that can be opened again are let go of
            picture = open_picture(frame, f"{number} of a clip")
            held.append(Held(picture))
            sizes.add(picture.size)
        if len(sizes) > 1:
            raise DataError(f"`frames` of a clip must be of one size; got {sorted(sizes)}; scale or pad them.")
        self.seconds = len(frames) / FRAMES_A_SECOND if seconds is None else float(seconds)
        if not 0 < self.seconds < float("inf"):
            raise DataError(f"`seconds` of a clip must be above 0 and finite; got {seconds}.")
        self.origin, self.stamp = origin, stamp
        self._frames, self.size = tuple(held), sizes.pop()

    def __repr__(self) -> str:
        return f"Clip({len(self)} frames of {self.size[0]} x {self.size[1]}, {self.seconds:.2f} s)"

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def frames(self) -> tuple[Picture, ...]:
        """Its pictures; see ``frame`` for one of them."""
        return tuple(frame.open() for frame in self._frames)

    def frame(self, number: int) -> Picture:
        """One of its pictures, from 0."""
        return self._frames[number].open()

    @property
    def nbytes(self) -> int:
        """Bytes of its pixels."""
        return 3 * self.size[0] * self.size[1] * len(self)

    @cached_property
    def fingerprint(self) -> str:
        """Digest of its frames and of how long it lasts: equal clips have equal ones, wherever they came from."""
        keys = " ".join(picture_key(frame.open()) for frame in self._frames)
        return hashlib.sha256(f"{self.seconds} {keys}".encode()).hexdigest()[:32]


def open_clip(source: object, name: str | None = None) -> Clip:
    """Open a clip.

    Args:
        source: A ``Clip``, pictures in order, an array ``(frames, height, width, channels)``, the path or the bytes of
            an animated image or of a video file (which needs ``trimtab[video]``; frames are taken at two a second, and
            at least four), the path of a folder of frames (in the order of their names), or an object with ``open()``.
        name: What an error calls it; left out, its path or form.

    Raises:
        MissingImageError: There is no file of that path.
        DataError: It is corrupt, or its frames cannot be shown as one clip.
        MissingDependencyError: It is a video file, and PyAV is not installed.
        UsageError: It is nothing that holds a clip.
    """
    if isinstance(source, Clip):
        return source
    if isinstance(source, str | PathLike):
        path, name = Path(source), name or shown_path(str(source))
        return _of_folder(path, name) if path.is_dir() else _of_file(path, name)
    if isinstance(source, bytes | bytearray | memoryview):
        frames, seconds = _frames(io.BytesIO(source), name or "given as bytes")
        return Clip(frames, seconds, origin=bytes(source))
    if isinstance(source, list | tuple) or (isinstance(source, np.ndarray) and source.ndim == 4):
        return Clip(source)
    if isinstance(source, Source) and not isinstance(source, Image.Image):
        return open_clip(source.open(), name)
    raise UsageError(
        f"video {name or 'of a prompt'} must be pictures in order, an array of 4 axes, a video file, an animated image "
        f"or a folder of frames; got {type(source).__name__}; give a list of pictures."
    )


def _of_folder(path: Path, name: str) -> Clip:
    known = Image.registered_extensions()
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in known)
    if not files:
        raise DataError(f"video {name} must be a folder of pictures; it holds none; give the folder of its frames.")
    return Clip(files)


def _of_file(path: Path, name: str) -> Clip:
    check_file(path, name, "video")
    found = path.stat()
    with path.open("rb") as file:
        frames, seconds = _frames(file, name)
    return Clip(frames, seconds, origin=path.absolute(), stamp=(found.st_mtime_ns, found.st_size))


def _frames(file: IO[bytes], name: str) -> tuple[list[Picture], float | None]:
    """The frames of a video file or an animated image, and how long it lasts if it says so."""
    head = file.read(12)
    file.seek(0)
    if is_film(head):
        pictures, rate = film_frames(file, name, FRAMES_A_SECOND, MAX_FRAMES)
        return pictures, len(pictures) / rate
    with opened(file, name) as image:
        count, frames, milliseconds = getattr(image, "n_frames", 1), [], 0.0
        if count > MAX_FRAMES:
            raise DataError(
                f"video {name} must have at most {MAX_FRAMES:,} frames; it has {count:,}; take some of them."
            )
        for number in range(count):
            image.seek(number)
            frames.append(to_picture(image, name))
            milliseconds += float(image.info.get("duration", 0))
    return frames, milliseconds / 1000 or None


def encode_clip(clip: Clip) -> bytes:
    """Return a clip as an animated PNG, whose frames are its own and whose length is true to a thousandth."""
    ends = [round(1000 * clip.seconds * (number + 1) / len(clip)) for number in range(len(clip))]
    first, *more = clip.frames
    buffer = io.BytesIO()
    first.save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=more,
        duration=[end - start for start, end in pairwise([0, *ends])],
        # Frames that are equal would be joined to one if their way to be put on the last one were equal too.
        blend=[number % 2 for number in range(len(clip))],
    )
    return buffer.getvalue()


def example_clip() -> Clip:
    """Return two pictures in turn, twice."""
    return Clip([example_picture(), example_picture().rotate(180)] * 2)


def by_frame(spoil: Callable[[Image.Image, Random], Image.Image]) -> Callable[[Clip, Random], Clip]:
    """Return what spoils each picture of a clip."""
    return lambda clip, chance: Clip([spoil(frame, chance) for frame in clip.frames], clip.seconds)


def shuffled_clip(clip: Clip, chance: Random) -> Clip:
    """Return a clip with its pictures in another order, and each one's tiles."""
    frames = [shuffled_picture(frame, chance) for frame in clip.frames]
    chance.shuffle(frames)
    return Clip(frames, clip.seconds)


register_kind(
    MediumKind(
        "video",
        "clip",
        Clip,
        open=open_clip,
        fingerprint=lambda clip: clip.fingerprint,
        shape=lambda clip: (len(clip), clip.size, clip.seconds),
        encode=encode_clip,
        suffix=lambda data, name: ".mp4" if is_film(data[:12]) else suffix_of(data, name),
        example=example_clip,
        spoil={"blank": by_frame(blank_picture), "shuffle": shuffled_clip, "noise": by_frame(noise_picture)},
        in_folder=True,
    )
)
