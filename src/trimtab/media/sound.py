"""Sounds: one channel of samples at a rate, from a WAV file or an array."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from random import Random

import numpy as np

from trimtab.errors import DataError, UsageError
from trimtab.media.kinds import MediumKind, register_kind
from trimtab.media.source import Source, check_file, shown_path, unreadable
from trimtab.media.waves import read_wave, write_wave

MAX_SAMPLES = 100_000_000
"""A sound of more samples is refused: as floats it would take more than 400 MB; at 16 kHz it lasts 100 minutes."""
PIECES = 16
"""A shuffled sound is cut into so many."""


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound.

    Attributes:
        samples: ``(samples,)`` float32; loudness 1 is a recording's full scale. Read-only.
        rate: Samples a second.
        origin: What opens it again: a path, or the bytes of a file; None if nothing does.
        stamp: When its file was last changed, and its size in bytes; None where there is no file.

    Raises:
        DataError: The samples are not one or two axes of finite numbers, or too many; or the rate is below 1.
    """

    samples: np.ndarray
    rate: int
    origin: object = None
    stamp: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        samples = _mono(np.asarray(self.samples))
        samples.flags.writeable = False
        object.__setattr__(self, "samples", samples)
        if isinstance(self.rate, bool) or int(self.rate) != self.rate or self.rate < 1:
            raise DataError(
                f"`rate` of a sound must be a whole number of at least 1; got {self.rate!r}; 16000 is usual."
            )
        object.__setattr__(self, "rate", int(self.rate))

    def __repr__(self) -> str:
        return f"Sound({self.seconds:.2f} s at {self.rate} Hz)"

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate

    @property
    def nbytes(self) -> int:
        """Bytes of its samples."""
        return self.samples.nbytes

    @property
    def fingerprint(self) -> str:
        """Digest of rate and samples: equal sounds have equal ones, wherever they came from."""
        return hashlib.sha256(f"{self.rate}".encode() + self.samples.tobytes()).hexdigest()[:32]

    def at_rate(self, rate: int) -> Sound:
        """Return the same sound at another rate, without what is above half of it, which would come back as noise."""
        if rate == self.rate:
            return self
        from scipy.signal import resample_poly

        common = math.gcd(rate, self.rate)
        return Sound(resample_poly(self.samples, rate // common, self.rate // common), rate)


def _mono(samples: np.ndarray) -> np.ndarray:
    if samples.ndim == 2:  # channels are the shorter axis
        samples = samples.mean(axis=int(samples.shape[1] < samples.shape[0]))
    if samples.ndim != 1 or samples.dtype.kind not in "fiu" or not 0 < len(samples) <= MAX_SAMPLES:
        raise DataError(
            f"`samples` of a sound must be 1 to {MAX_SAMPLES:,} numbers, or some channels of them; got shape "
            f"{samples.shape} of {samples.dtype}; give one channel."
        )
    if samples.dtype.kind in "iu":
        scale = np.iinfo(samples.dtype)
        middle = 0 if samples.dtype.kind == "i" else (scale.max + 1) // 2
        samples = (samples.astype(np.float64) - middle) / ((scale.max + 1) // (1 if middle == 0 else 2))
    samples = np.array(samples, np.float32)
    if not np.isfinite(samples).all():
        raise DataError("`samples` of a sound must be finite; they hold NaN or infinity; mend the recording.")
    return samples


def open_sound(source: object, name: str | None = None) -> Sound:
    """Open a sound as one channel of floats.

    Args:
        source: A ``Sound``, the path or the bytes of a WAV file, ``(samples, rate)``, a mapping with ``array`` and
            ``sampling_rate`` as Hugging Face data sets keep it, or an object with ``open()``.
        name: What an error calls it; left out, its path or form.

    Raises:
        MissingImageError: There is no file of that path.
        DataError: It is corrupt, too long, or of another format.
        UsageError: It is nothing that holds a sound.
    """
    if isinstance(source, Sound):
        return source
    if isinstance(source, str | PathLike):
        return _open_file(Path(source), name or shown_path(str(source)))
    if isinstance(source, bytes | bytearray | memoryview):
        return Sound(*read_wave(bytes(source), name or "given as bytes"), origin=bytes(source))
    if isinstance(source, Mapping) and {"array", "sampling_rate"} <= source.keys():
        return Sound(source["array"], source["sampling_rate"])
    if isinstance(source, tuple) and len(source) == 2 and not isinstance(source[0], str | PathLike):
        return Sound(*source)
    if isinstance(source, Source):
        return open_sound(source.open(), name)
    raise UsageError(
        f"audio {name or 'of a prompt'} must be the path or the bytes of a WAV file, or samples with their rate; got "
        f"{type(source).__name__}; give (samples, rate)."
    )


def _open_file(path: Path, name: str) -> Sound:
    check_file(path, name, "audio")
    try:
        data, found = path.read_bytes(), path.stat()
    except OSError as error:
        raise unreadable(error, name, "audio") from error
    return Sound(*read_wave(data, name), origin=path.absolute(), stamp=(found.st_mtime_ns, found.st_size))


def example_sound() -> Sound:
    """Return a second of one tone."""
    return Sound(np.sin(np.arange(16000) / 20, dtype=np.float32), 16000)


def silence(sound: Sound, _chance: Random) -> Sound:
    """Return silence, as long as a sound."""
    return Sound(np.zeros(len(sound.samples)), sound.rate)


def shuffled_sound(sound: Sound, chance: Random) -> Sound:
    """Return a sound cut into pieces, in another order."""
    pieces = np.array_split(sound.samples, PIECES)
    chance.shuffle(pieces)
    return Sound(np.concatenate(pieces), sound.rate)


def noise_sound(sound: Sound, chance: Random) -> Sound:
    """Return random samples, as many as a sound has."""
    return Sound(np.random.default_rng(chance.getrandbits(64)).uniform(-1, 1, len(sound.samples)), sound.rate)


register_kind(
    MediumKind(
        "audio",
        "sound",
        Sound,
        open=open_sound,
        fingerprint=lambda sound: sound.fingerprint,
        shape=lambda sound: (len(sound.samples), sound.rate),
        encode=lambda sound: write_wave(sound.samples, sound.rate),
        suffix=lambda _data, _name: ".wav",
        example=example_sound,
        spoil={"blank": silence, "shuffle": shuffled_sound, "noise": noise_sound},
    )
)
