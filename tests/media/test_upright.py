"""Orientation: every way to store a picture sideways shows it upright."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.media.samples import corners, encoded, seen
from trimtab.media import open_picture

STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}
"""How an upright picture is stored under each orientation of EXIF."""


def tagged(orientation: int, form: str) -> bytes:
    stored = Image.fromarray(np.ascontiguousarray(STORED[orientation](corners())))
    exif = Image.Exif()
    exif[0x0112] = orientation
    lossless = {"WEBP": {"lossless": True}, "JPEG": {"quality": 95, "subsampling": 0}, "AVIF": {"quality": 100}}.get(
        form, {}
    )
    return encoded(stored, form, exif=exif, **lossless)


@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_every_orientation_is_upright(orientation, form):
    pixels = seen(open_picture(tagged(orientation, form)))
    assert pixels.shape == corners().shape
    assert np.abs(pixels[2:-2].astype(int) - corners()[2:-2])[:, [4, -4]].max() < 40


def test_a_pil_image_is_turned_by_its_tag_and_keeps_it(tmp_path):
    (tmp_path / "a.jpg").write_bytes(tagged(6, "JPEG"))
    with Image.open(tmp_path / "a.jpg") as image:
        assert open_picture(image).size == (80, 48)
        assert image.size == (48, 80)
        assert image.getexif()[0x0112] == 6
        assert open_picture(ImageOps.exif_transpose(image)).size == (80, 48)


def test_a_broken_tag_turns_nothing():
    data = tagged(6, "JPEG")
    start = data.index(b"Exif")
    broken = data[: start + 8] + b"\xff" * 24 + data[start + 32 :]
    assert open_picture(broken).size == (48, 80)
