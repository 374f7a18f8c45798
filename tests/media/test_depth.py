"""Deep greys: 16 and 32 bits and floats look as their 8-bit picture does."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.media.samples import RAMP, encoded, seen
from trimtab.errors import DataError
from trimtab.media import open_picture

DEEP = RAMP.astype(np.uint16) * 257


def swapped(image: Image.Image) -> bytes:
    """A big-endian TIFF."""
    return encoded(Image.frombytes("I;16B", image.size, np.asarray(image).astype(">u2").tobytes()), "TIFF")


def tiff_with(data: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another number in one of its tags."""
    with Image.open(io.BytesIO(data)) as image:
        old = image.tag_v2[tag]  # pyright: ignore[reportAttributeAccessIssue]
    old = old[0] if isinstance(old, tuple) else old
    entry = b"".join(n.to_bytes(size, "little") for n, size in ((tag, 2), (3, 2), (1, 4), (old, 4)))
    assert data.count(entry) == 1
    return data.replace(entry, entry[:8] + value.to_bytes(4, "little"))


@pytest.mark.parametrize(
    ("kind", "data"),
    {
        "16-bit PNG": encoded(Image.fromarray(DEEP)),
        "16-bit TIFF": encoded(Image.fromarray(DEEP), "TIFF"),
        "16-bit big-endian TIFF": swapped(Image.fromarray(DEEP)),
        "16-bit PGM": encoded(Image.fromarray(DEEP.astype(np.int32)), "PPM"),
        "16-bit JPEG 2000": encoded(Image.fromarray(DEEP), "JPEG2000"),
        "12 of 16 bits": encoded(Image.fromarray((RAMP * (4095 / 255)).round().astype(np.uint16))),
        "8 of 16 bits": encoded(Image.fromarray(RAMP.astype(np.uint16))),
        "32-bit TIFF of 16 bits": encoded(Image.fromarray(DEEP.astype(np.int32)), "TIFF"),
        "32-bit TIFF": encoded(Image.fromarray(DEEP.astype(np.int32) * 30000), "TIFF"),
        "32-bit TIFF with negatives": encoded(Image.fromarray(RAMP.astype(np.int32) - 100), "TIFF"),
        "float TIFF of 0 to 1": encoded(Image.fromarray((RAMP / 255).astype(np.float32)), "TIFF"),
        "float TIFF of 0 to 255": encoded(Image.fromarray(RAMP.astype(np.float32)), "TIFF"),
        "float TIFF of 0 to 10": encoded(Image.fromarray((RAMP / 25.5).astype(np.float32)), "TIFF"),
        "float TIFF of -1 to 1": encoded(Image.fromarray((RAMP / 127.5 - 1).astype(np.float32)), "TIFF"),
        "float TIFF of all there is": encoded(
            Image.fromarray(((RAMP / 127.5 - 1) * np.finfo(np.float32).max).astype(np.float32)), "TIFF"
        ),
        "PFM": encoded(Image.fromarray((RAMP / 255).astype(np.float32)), "PPM"),
    }.items(),
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_deep_greys_look_as_their_8_bits(kind, data):
    pixels = seen(open_picture(data))
    assert np.abs(pixels - RAMP[..., None].astype(int)).max() <= 1, kind
    assert len(np.unique(pixels)) >= 250


def test_unsigned_32_bits_are_not_read_as_negative():
    values = RAMP.astype(np.uint32) * (2**32 // 255 - 1)
    data = tiff_with(encoded(Image.fromarray(values.view(np.int32)), "TIFF"), 339, 1)
    assert np.abs(seen(open_picture(data)) - RAMP[..., None].astype(int)).max() <= 1


def test_white_is_zero_is_heeded():
    data = tiff_with(encoded(Image.fromarray(DEEP), "TIFF"), 262, 0)
    assert np.array_equal(seen(open_picture(data))[..., 0], 255 - RAMP)


def test_a_middle_grey_of_16_bits_stays_one():
    assert (seen(open_picture(encoded(Image.fromarray(np.full((3, 4), 12000, np.uint16))))) == 47).all()


@pytest.mark.parametrize("value", [-5, 100_000])
def test_one_value_without_a_usual_white_is_mid_grey(value):
    assert (seen(open_picture(Image.new("I", (3, 4), value))) == 127).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(value):
    values = (RAMP / 255).astype(np.float32)
    values[1, 7] = value
    with pytest.raises(DataError, match="must hold finite values"):
        open_picture(encoded(Image.fromarray(values), "TIFF"))
