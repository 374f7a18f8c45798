"""Opening encoded pictures: whatever a decoder raises becomes one DataError, and it warns of nothing."""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from PIL import Image, UnidentifiedImageError

from trimtab.errors import DataError, TrimtabError
from trimtab.media.picture import MAX_PIXELS, check_size

PROGRAMS = ("EPS", "WMF")
"""Formats that are programs for another program (Ghostscript, Windows) to draw, which could run for ever."""
_SHOWN = 160  # characters of a decoder's own words


@contextmanager
def opened(file: IO[bytes], name: str) -> Iterator[Image.Image]:
    """The picture in an open file, its pixels not yet decoded.

    Raises:
        DataError: It is corrupt, no picture, too large, or a program; also if decoding fails inside the block.
    """
    with decoding(name), Image.open(file) as image:
        if image.format in PROGRAMS:
            raise DataError(f"image {name} must hold pixels; {image.format} is a program to draw them; save it as PNG.")
        check_size(image.size, name)
        yield image


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises inside the block into one DataError.

    Decoders of broken files raise almost anything: OSError, struct.error, IndexError, RuntimeError, MemoryError.
    """
    try:
        with _quiet:
            yield
    except TrimtabError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"image {name} must have at most {MAX_PIXELS:,} pixels; it has more; scale it down.") from error
    except Exception as error:
        raise DataError(
            f"image {name} is corrupt or no image ({_words(error)}); replace it or remove the item."
        ) from error


def suffix_of(data: bytes, name: str) -> str:
    """The file suffix for encoded bytes, such as ``.png``. Raises DataError if they are no picture."""
    with opened(io.BytesIO(data), name) as image:
        return f".{(image.format or 'img').lower()}"


def _words(error: Exception) -> str:
    """An error's first line, printable and not too long; its class if it says nothing."""
    if isinstance(error, UnidentifiedImageError):
        # Its own words name an address in memory, another one each time.
        return "of no format that can be read here, as PNG and JPEG can"
    said = str(error).strip() or type(error).__name__
    line = "".join(c if c.isprintable() else "?" for c in said.splitlines()[0])
    return f"{line.rstrip('.'):.{_SHOWN}}"


class _Quiet:
    """Hides the warnings of PIL while any thread decodes.

    A warning that the caller's filters turn into an error would refuse a sound picture. The filters are the whole
    process's, so the first thread to enter sets them and the last one restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL(\.|$)")
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


_quiet = _Quiet()
