"""WAV files: samples of 8 to 32 bits or floats, in any number of channels, as one channel of floats."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np

from trimtab.errors import DataError

_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE


def read_wave(data: bytes, name: str) -> tuple[np.ndarray, int]:
    """Return the samples of a WAV file, ``(samples,)`` float32 in -1..1, and how many there are a second.

    Raises:
        DataError: It is no WAV file, broken, or compressed.
    """
    try:
        chunks = dict(_chunks(data))
        kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunks[b"fmt "])
        if kind == _EXTENSIBLE:
            [kind] = struct.unpack_from("<H", chunks[b"fmt "], 24)
        frames = chunks[b"data"]
    except (struct.error, KeyError, ValueError) as error:
        raise DataError(f"audio {name} must be a WAV file; it is broken or of another format; convert it.") from error
    if not channels or not rate:
        raise DataError(f"audio {name} must have channels and a rate; it has {channels} and {rate}; convert it.")
    values = _levels(frames[: len(frames) // (channels * bits // 8 or 1) * (channels * bits // 8)], kind, bits, name)
    return values.reshape(-1, channels).mean(-1, dtype=np.float32), rate


def write_wave(samples: np.ndarray, rate: int) -> bytes:
    """Return samples, ``(samples,)`` float32, as a WAV file of floats, which loses nothing."""
    data = np.asarray(samples, "<f4").tobytes()
    described = struct.pack("<4sIHHIIHH", b"fmt ", 16, _FLOAT, 1, rate, 4 * rate, 4, 32)
    body = b"WAVE" + described + struct.pack("<4sI", b"data", len(data)) + data
    return struct.pack("<4sI", b"RIFF", len(body)) + body


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    at = 12
    while at + 8 <= len(data):
        name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
        yield name, data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2


def _levels(frames: bytes, kind: int, bits: int, name: str) -> np.ndarray:
    if kind == _FLOAT and bits in (32, 64):
        return np.frombuffer(frames, f"<f{bits // 8}").astype(np.float32)
    if kind == _PCM and bits == 8:
        return (np.frombuffer(frames, np.uint8).astype(np.float32) - 128) / 128
    if kind == _PCM and bits == 24:
        parts = np.frombuffer(frames, np.uint8).reshape(-1, 3)
        whole = np.zeros((len(parts), 4), np.uint8)
        whole[:, 1:] = parts
        return (whole.view("<i4")[:, 0].astype(np.float64) / 2**31).astype(np.float32)
    if kind == _PCM and bits in (16, 32):
        return (np.frombuffer(frames, f"<i{bits // 8}").astype(np.float64) / 2 ** (bits - 1)).astype(np.float32)
    raise DataError(
        f"audio {name} must hold plain samples of 8 to 32 bits or floats; it is compressed (format {kind}, {bits} "
        "bits); convert it to plain WAV."
    )
