"""Numpy arrays as pictures."""

from __future__ import annotations

import numpy as np
from PIL import Image

from trimtab.errors import DataError
from trimtab.media.depth import to_8_bits
from trimtab.media.picture import check_size

_CHANNELS = (1, 3, 4)


def image_of(array: np.ndarray, name: str) -> Image.Image:
    """The image of an array ``(height, width)`` or ``(height, width, channels)`` of 1, 3 or 4 channels.

    Values are ``uint8``, ``uint16`` (see ``to_8_bits``) or floats from 0 to 1; a fourth channel is opacity.

    Raises:
        DataError: With the shape, type or range, if it is another one.
    """
    shape = " x ".join(map(str, array.shape))
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in _CHANNELS):
        hint = "; move its channels last" if array.ndim == 3 and array.shape[0] in _CHANNELS else ""
        raise DataError(
            f"image {name} must be height x width, or height x width x 1, 3 or 4 channels; its shape is "
            f"{shape or 'that of one number'}{hint}."
        )
    check_size((array.shape[1], array.shape[0]), name)
    pixels = np.ascontiguousarray(_levels(array, shape, name))
    return Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)


def _levels(array: np.ndarray, shape: str, name: str) -> np.ndarray:
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return to_8_bits(array, name)
    if array.dtype.kind != "f":
        raise DataError(
            f"image {name} must hold uint8, uint16 or floats from 0 to 1; its {shape} values are {array.dtype}; "
            "convert them with .astype('uint8')."
        )
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= 1):  # also where one is NaN
        raise DataError(
            f"image {name} must hold floats from 0 to 1; its {shape} values go from {low:g} to {high:g}; scale them, "
            "or convert levels from 0 to 255 with .astype('uint8')."
        )
    return to_8_bits(array, name)
