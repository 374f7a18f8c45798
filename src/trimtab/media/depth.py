"""Pictures of more than 8 bits: which of their values is white, decided by one rule."""

from __future__ import annotations

import numpy as np

from trimtab.errors import DataError

WHITES = (255, 4095, 65535)
"""What white may be in whole numbers: 8, 12 or all 16 bits of them used."""
NEARLY_BLACK = 15
"""Floats above 1 that go no higher than this are no levels from 0 to 255: the picture would be all but black."""
_LEVELS = 255


def to_8_bits(values: np.ndarray, name: str) -> np.ndarray:
    """Scale deep values to 0..255.

    Whole numbers from 0 to 65535 have their white at the largest number of 16 bits; at that of 12 or of 8 bits where
    no value needs more, since the picture would be all but black otherwise. Floats from 0 to 1 have their white at 1,
    larger ones up to 255 at 255. Everything else (negative values, larger ones) has no usual white: its own range is
    stretched from black to white.

    Args:
        values: Integers or floats, two axes or more.
        name: What an error calls the picture.

    Returns:
        ``uint8``, of the same shape.

    Raises:
        DataError: A value is not finite.
    """
    with np.errstate(invalid="ignore"):
        low, high = values.min(), values.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        raise DataError(f"image {name} must hold finite values; it holds NaN or infinity; replace or mask them.")
    white = None if low < 0 else _white(float(high), whole=values.dtype.kind in "ui")
    if white is not None:
        return _scaled(values, 0.0, white)
    if low == high:  # one value alone has no range
        return np.full(values.shape, _LEVELS // 2, np.uint8)
    return _scaled(values, float(low), float(high))


def _white(high: float, *, whole: bool) -> float | None:
    if whole:
        return next((white for white in WHITES if high <= white), None)
    if high <= 1:
        return 1.0
    return _LEVELS if NEARLY_BLACK < high <= _LEVELS else None


def _scaled(values: np.ndarray, black: float, white: float) -> np.ndarray:
    scaled = np.empty(values.shape, np.uint8)
    for row, out in zip(values, scaled, strict=True):  # a whole picture in double precision takes eight times its room
        # Halves first: the span of the largest floats is larger than a float can be.
        share = (row.astype(np.float64) / 2 - black / 2) / (white / 2 - black / 2)
        out[...] = np.rint(share.clip(0, 1) * _LEVELS).astype(np.uint8)
    return scaled
