"""Colour profiles: what an embedded ICC profile says the numbers look like."""

from __future__ import annotations

import io
from functools import lru_cache

import numpy as np
from PIL import Image, ImageCms

UNSEEN = 4
"""A profile that moves no colour by more than this, of 255, is that of sRGB or as good, and leaves pixels alone."""


def in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """An image in L, RGB or CMYK as RGB, converted by its profile where that makes a visible difference.

    An RGB image that needs no conversion is returned itself. A broken profile, or one for another kind of image,
    counts as none.
    """
    transform = _transform(profile, image.mode) if isinstance(profile, bytes) and profile else None
    if transform is None:
        return image if image.mode == "RGB" else image.convert("RGB")
    return _applied(image, transform)


def lab_in_srgb(image: Image.Image) -> Image.Image:
    """An RGB copy of an image in CIELAB, which PIL does not convert by itself."""
    return _applied(image, ImageCms.buildTransform(ImageCms.createProfile("LAB"), _srgb(), "LAB", "RGB"))


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    try:
        own = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(own, _srgb(), mode, "RGB")
        probe = _probe(mode)
        seen = np.asarray(_applied(probe, transform), np.int16)
    except Exception:  # littlecms and its absence raise several kinds
        return None
    return transform if np.abs(seen - np.asarray(probe.convert("RGB"), np.int16)).max() > UNSEEN else None


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # None only where it is asked to work in place
    return converted


def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _probe(mode: str) -> Image.Image:
    """Colours from all over a mode's range, one a pixel."""
    channels = len(Image.new(mode, (1, 1)).getbands())
    steps = np.linspace(0, 255, 6).astype(np.uint8)
    grid = np.stack(np.meshgrid(*[steps] * channels), axis=-1).reshape(1, -1, channels)
    return Image.frombytes(mode, (grid.shape[1], 1), grid.tobytes())
