"""From any PIL image to an upright, opaque RGB one. The rules are listed in docs/pictures.md."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageChops

from trimtab.media.depth import to_8_bits
from trimtab.media.picture import Picture, as_picture, check_size
from trimtab.media.profiles import in_srgb, lab_in_srgb

GROUND = (255, 255, 255)
"""What shows through transparent pixels: white, as on a page."""
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What undoes each orientation of EXIF."""
_PHOTOMETRIC, _SAMPLE_FORMAT = 262, 339
_UNSIGNED, _SIGNED = 1, 2
_DEEP = ("I", "F")


def to_picture(image: Image.Image, name: str) -> Picture:
    """A picture of the image's own frame, upright, opaque, in 8-bit RGB; the image itself stays as it is.

    Raises:
        DataError: It is too large, or its values are not finite. What a decoder raises is passed on.
    """
    check_size(image.size, name)
    image.load()
    check_size(image.size, name)  # some formats learn their size only now
    turn = _UPRIGHT.get(_orientation(image))  # after loading: PIL turns TIFFs itself, and takes the tag away
    rgb = _deep(image, name) if image.mode in _DEEP or image.mode.startswith("I;16") else _opaque(image)
    return as_picture(rgb if turn is None else rgb.transpose(turn))


def _orientation(image: Image.Image) -> int:
    try:
        value = image.getexif().get(_ORIENTATION)
    except Exception:  # a broken EXIF block says nothing; the pixels may be sound
        return 1
    return value if isinstance(value, int) else 1


def _opaque(image: Image.Image) -> Image.Image:
    profile = image.info.get("icc_profile")
    if not image.has_transparency_data:
        rgb = _colours(image, profile)
        return rgb.copy() if rgb is image else rgb
    whole = image.convert("LA") if image.mode == "La" else image  # PIL takes this one in two steps
    rgba = whole if whole.mode == "RGBA" else _with_keyed_out(whole).convert("RGBA")
    rgb = _colours(rgba.convert("RGB"), profile)
    rgb.paste(GROUND, mask=ImageChops.invert(rgba.getchannel("A")))
    return rgb


def _with_keyed_out(image: Image.Image) -> Image.Image:
    """The image with a transparent colour of 8 bits: of a 16-bit picture, which PIL reads as 8, it still has 16."""
    key = image.info.get("transparency")
    if isinstance(key, tuple) and any(value > 255 for value in key):
        image = image.copy()
        image.info["transparency"] = tuple(value >> 8 for value in key)
    return image


def _colours(image: Image.Image, profile: bytes | None) -> Image.Image:
    if image.mode == "LAB":
        return lab_in_srgb(image)
    return in_srgb(image if image.mode in ("L", "RGB", "CMYK") else image.convert("RGB"), profile)


def _deep(image: Image.Image, name: str) -> Image.Image:
    values, tags = np.asarray(image), getattr(image, "tag_v2", {_SAMPLE_FORMAT: _SIGNED})
    if image.mode == "I" and _first(tags.get(_SAMPLE_FORMAT, _UNSIGNED)) == _UNSIGNED:
        values = values.view(np.uint32)  # PIL reads unsigned numbers as signed ones
    levels = to_8_bits(values, name)
    if tags.get(_PHOTOMETRIC) == 0:  # white is zero, which PIL heeds for 8 bits only
        levels = 255 - levels
    key = image.info.get("transparency")
    if isinstance(key, int):
        levels[values == key] = 255
    return Image.fromarray(levels).convert("RGB")


def _first(value: object) -> object:
    return value[0] if isinstance(value, tuple) and value else value
