"""Films: frames of video files (mp4, webm, mkv, mov, avi, mpg), read by PyAV where it is installed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, TYPE_CHECKING

from trimtab.errors import DataError, MissingDependencyError
from trimtab.media.picture import Picture
from trimtab.media.rgb import to_picture

if TYPE_CHECKING:
    from av import VideoFrame

LEAST_FRAMES = 4
"""Frames that a film has at least, however short, where it has as many; models with clips ask for that many."""
MAX_BYTES = 4_000_000_000
"""A film whose frames would take more memory is refused."""
STILL = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
"""Brands of pictures in files that begin as films do."""


def is_film(head: bytes) -> bool:
    """Say whether a file's first 12 bytes are those of a video file."""
    mp4 = head[4:8] == b"ftyp" and head[8:12] not in STILL
    return mp4 or head[:4] in (b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba") or head[:4] + head[8:12] == b"RIFFAVI "


def film_frames(file: IO[bytes], name: str, rate: float, most: int) -> tuple[list[Picture], float]:
    """Return a film's frames and how many a second they are; the film is decoded once, from its beginning.

    Args:
        file: The open file.
        name: What an error calls it.
        rate: Frames a second that are taken; of a short film more, for ``LEAST_FRAMES``.
        most: Frames beyond which it is refused.

    Raises:
        MissingDependencyError: PyAV is not installed.
        DataError: It is broken, too long, or shows nothing.
    """
    try:
        import av
    except ImportError as error:
        raise MissingDependencyError(
            f"video {name} is a video file, which PyAV reads; run: pip install 'trimtab[video]', or give its frames as "
            "a list or a folder of pictures"
        ) from error
    try:
        with av.open(file, "r") as container:
            if not container.streams.video:
                raise DataError(f"video {name} must show something; it holds no pictures; give another file.")
            stream = container.streams.video[0]
            stream.thread_type = "AUTO"
            if stream.duration and stream.time_base:
                rate = max(rate, LEAST_FRAMES / float(stream.duration * stream.time_base))
            frames = _taken(container.decode(stream), name, rate, most)
    except (OSError, ValueError) as error:  # those of PyAV are of both kinds
        raise DataError(f"video {name} is broken or no video file ({_words(error)}); fetch it again.") from error
    if not frames:
        raise DataError(f"video {name} must show something; it holds no pictures; give another file.")
    return frames, rate


def _taken(decoded: Iterable[VideoFrame], name: str, rate: float, most: int) -> list[Picture]:
    """Return the first frame of each step of ``1 / rate`` seconds; where one lasts longer, it is taken again."""
    frames: list[Picture] = []
    last, begin = None, None
    for frame in decoded:
        time = float(frame.time or 0.0)
        begin = time if begin is None else begin
        while last is not None and (time - begin) * rate > len(frames) + 1e-6:
            _add(frames, last, name, most)
        last = frame
        if (time - begin) * rate >= len(frames) - 1e-6:
            _add(frames, frame, name, most)
    return frames


def _add(frames: list[Picture], frame: VideoFrame, name: str, most: int) -> None:
    if len(frames) == most:
        raise DataError(f"video {name} must have at most {most:,} frames; it is longer; cut it.")
    if frames and (len(frames) + 1) * frames[0].nbytes > MAX_BYTES:
        raise DataError(
            f"video {name} must fit in {MAX_BYTES / 1e9:g} GB as pictures of {frames[0].width} x {frames[0].height}; "
            "it is longer; cut it or scale it down."
        )
    image = frame.to_image()
    # Cameras write a film as they are held, and how to turn it, counter-clockwise as PIL does.
    turned = image.rotate(frame.rotation, expand=True) if frame.rotation else image
    frames.append(to_picture(turned, name))


def _words(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
