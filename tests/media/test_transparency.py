"""Transparency: what is drawn on nothing is seen on white."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.media.samples import encoded, seen
from trimtab.media import open_picture

BAR = np.zeros((20, 20), np.uint8)
BAR[8:12] = 255


def palette(mode: str = "P", **info) -> Image.Image:
    image = Image.new("P", (20, 20), 0)
    image.putpalette([0, 0, 0, 0, 0, 0])
    image.paste(1, (0, 8, 20, 12))
    image.info.update(info)
    return image.convert(mode) if mode != "P" else image


def drawings() -> dict[str, Image.Image]:
    """A black bar on transparent black, in every way to say so."""
    black = Image.new("L", (20, 20))
    alpha = Image.fromarray(BAR)
    rgb = Image.new("RGB", (20, 20), (1, 1, 1))
    rgb.paste((0, 0, 0), (0, 8, 20, 12))
    rgb.info["transparency"] = (1, 1, 1)
    grey = Image.new("L", (20, 20), 7)
    grey.paste(0, (0, 8, 20, 12))
    grey.info["transparency"] = 7
    deep = Image.fromarray(np.where(BAR, 0, 7).astype(np.uint16))
    deep.info["transparency"] = 7
    return {
        "RGBA": Image.merge("RGBA", (black, black, black, alpha)),
        "RGBa": Image.merge("RGBA", (black, black, black, alpha)).convert("RGBa"),
        "LA": Image.merge("LA", (black, alpha)),
        "La": Image.merge("LA", (black, alpha)).convert("La"),
        "P with an index": palette(transparency=0),
        "P with a table": palette(transparency=b"\x00\xff"),
        "PA": palette("PA", transparency=0),
        "RGB with a colour": rgb,
        "L with a level": grey,
        "I;16 with a level": deep,
    }


@pytest.mark.parametrize("kind", drawings())
def test_a_drawing_on_nothing_is_on_white(kind):
    pixels = seen(open_picture(drawings()[kind]))
    assert (pixels[8:12] == 0).all()
    assert (pixels[:8] == 255).all()
    assert (pixels[12:] == 255).all()


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P with an index", "RGB with a colour", "L with a level", "PA"])
def test_the_same_as_a_file(kind):
    image = drawings()[kind]
    if kind == "PA":  # PNG has no such kind
        image = image.convert("RGBA")
    assert np.array_equal(seen(open_picture(encoded(image))), seen(open_picture(drawings()[kind])))


def test_opaque_pixels_keep_their_colours():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    assert np.array_equal(seen(open_picture(Image.fromarray(pixels))), pixels[..., :3])


def test_half_transparent_is_half_white():
    image = Image.new("RGBA", (2, 2), (0, 0, 0, 128))
    assert abs(int(seen(open_picture(image))[0, 0, 0]) - 127) <= 1


def test_a_wholly_transparent_picture_is_white_whatever_it_hides():
    assert (seen(open_picture(Image.new("RGBA", (3, 3), (255, 0, 0, 0)))) == 255).all()


def test_a_transparent_colour_of_16_bits_is_found_in_8():
    pixels = np.zeros((4, 4, 3), ">u2")
    pixels[:2] = (40_000, 300, 5)
    data = chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
    data += chunk(b"tRNS", struct.pack(">HHH", 40_000, 300, 5))
    data += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in pixels))) + chunk(b"IEND", b"")
    shown = seen(open_picture(b"\x89PNG\r\n\x1a\n" + data))
    assert (shown[:2] == 255).all()
    assert (shown[2:] == 0).all()


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
