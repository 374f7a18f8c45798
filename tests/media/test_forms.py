"""The forms a picture may come in, and what is refused of each."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image, ImageCms, PngImagePlugin

from tests.media.samples import RAMP, corners, encoded, seen
from trimtab.errors import DataError, MissingImageError, TrimtabError, UsageError
from trimtab.media import MAX_PIXELS, Picture, open_picture, picture_key


def test_every_form_of_a_picture_is_the_same_picture(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(Image.fromarray(corners())))
    data = path.read_bytes()
    forms = [path, str(path), data, bytearray(data), memoryview(data), Image.open(path), corners(), corners() / 255]
    opened = [open_picture(form) for form in forms]
    assert all(np.array_equal(seen(picture), corners()) for picture in opened)
    assert len({picture_key(picture) for picture in opened}) == 1


def test_keys_tell_sizes_and_pixels_apart():
    flat, tall = np.zeros((2, 8, 3), np.uint8), np.zeros((8, 2, 3), np.uint8)
    assert len({picture_key(open_picture(a)) for a in (flat, tall, flat + 1)}) == 3


def test_a_given_image_is_neither_changed_nor_shared_nor_closed(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(Image.fromarray(corners())))
    with Image.open(tmp_path / "a.png") as image:
        before = (image.mode, image.size, dict(image.info))
        picture = open_picture(image)
        image.load()
        assert (image.mode, image.size, dict(image.info)) == before
        image.paste((1, 2, 3), (0, 0, 80, 48))
    image.close()
    assert np.array_equal(seen(picture), corners())
    pixels = corners()
    picture = open_picture(pixels)
    pixels[:] = 0
    assert np.array_equal(seen(picture), corners())


def test_an_opened_picture_is_given_back_as_it_is():
    picture = open_picture(corners())
    assert isinstance(picture, Picture)
    assert open_picture(picture) is picture
    assert open_picture(picture.copy()) is not picture
    picture.putalpha(0)
    assert (seen(open_picture(picture)) == 255).all()


def test_files_are_closed(tmp_path):
    path = tmp_path / "a.gif"
    frames = [Image.fromarray(corners() // n) for n in (1, 2)]
    path.write_bytes(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        open_picture(path)
        (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\nrubbish")
        with pytest.raises(DataError):
            open_picture(tmp_path / "b.png")


@pytest.mark.parametrize("form", ["GIF", "WEBP", "TIFF", "PNG"])
def test_the_first_frame_is_taken(form):
    frames = [Image.new("RGB", (30, 30), color) for color in ("red", "blue")]
    data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
    assert tuple(seen(open_picture(data))[3, 3] > 128) == (True, False, False)
    with Image.open(io.BytesIO(data)) as image:
        image.seek(1)
        assert tuple(seen(open_picture(image))[3, 3] > 128) == (False, False, True)
        assert image.tell() == 1


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "LAB", "RGBX"])
def test_every_mode_shows_its_colours(mode):
    image = Image.new("RGB", (4, 4), "white")
    if mode == "LAB":
        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
        )
        assert image is not None
    else:
        image = image.convert(mode)
    assert (seen(open_picture(image)) >= 254).all()


def swapping_profile() -> bytes:
    """A profile under which the first channel shows green, the second red: sRGB with two of its tags exchanged."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red], profile[green] = profile[green], profile[red]
    return bytes(profile)


def test_a_colour_profile_is_heeded():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    shown = open_picture(encoded(red, icc_profile=swapping_profile()))
    assert shown.getpixel((0, 0)) == (0, 255, 0)
    clear = red.convert("RGBA")
    clear.putpixel((0, 0), (0, 0, 0, 0))
    shown = open_picture(encoded(clear, icc_profile=swapping_profile()))
    assert (shown.getpixel((0, 0)), shown.getpixel((1, 1))) == ((255, 255, 255), (0, 255, 0))


@pytest.mark.parametrize(
    "profile", [b"rubbish", b"", ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()]
)
def test_a_profile_that_says_nothing_new_changes_no_bit(profile):
    pixels = np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    assert np.array_equal(seen(open_picture(encoded(Image.fromarray(pixels), icc_profile=profile))), pixels)


@pytest.mark.parametrize(
    "array",
    [
        RAMP,
        RAMP[..., None],
        np.dstack([RAMP] * 3),
        np.dstack([RAMP] * 3 + [np.full_like(RAMP, 255)]),
        RAMP[::1, ::1].copy("F"),
    ],
    ids=["plain", "one channel", "three", "four", "by columns"],
)
@pytest.mark.parametrize("scale", [1, 255.0, np.float16(255), 1 / 257])
def test_arrays(array, scale):
    values = (array * np.uint16(257)) if scale == 1 / 257 else array if scale == 1 else array / scale
    assert np.abs(seen(open_picture(values)) - RAMP[..., None].astype(int)).max() <= 1


@pytest.mark.parametrize(
    ("array", "match"),
    [
        (np.zeros(5, np.uint8), "its shape is 5"),
        (np.zeros((), np.uint8), "its shape is that of one number"),
        (np.zeros((4, 5, 2), np.uint8), "its shape is 4 x 5 x 2"),
        (np.zeros((3, 40, 50), np.uint8), "3 x 40 x 50; move its channels last"),
        (np.zeros((1, 4, 5, 3), np.uint8), "1 x 4 x 5 x 3"),
        (np.zeros((4, 5, 3), np.int64), "its 4 x 5 x 3 values are int64"),
        (np.zeros((4, 5), bool), "bool"),
        (np.zeros((4, 5), complex), "complex128"),
        (np.zeros((4, 5), object), "object"),
        (np.full((4, 5), 200.0), "go from 200 to 200"),
        (np.full((4, 5), -0.1), "go from -0.1"),
        (np.full((4, 5), np.nan), "go from nan to nan"),
        (np.zeros((0, 5), np.uint8), "it is 5 x 0"),
        (np.zeros((4, 0, 3), np.float32), "it is 0 x 4"),
        (np.broadcast_to(np.uint8(0), (20_000, 20_000)), "at most 100,000,000 pixels; it is 20000 x 20000"),
    ],
)
def test_other_arrays_are_refused(array, match):
    with pytest.raises(DataError, match=match):
        open_picture(array)


def test_large_pictures_are_refused_before_they_are_decoded(monkeypatch):
    data = encoded(Image.new("1", (MAX_PIXELS // 9_000 + 1, 9_000)))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", lambda _: pytest.fail("decoded"))
    with pytest.raises(DataError, match=r"at most 100,000,000 pixels; it is 11112 x 9000"):
        open_picture(data)


def test_a_bomb_is_refused():
    with pytest.raises(DataError, match="at most 100,000,000 pixels"):
        open_picture(encoded(Image.new("1", (14_000, 14_000))))


def test_a_picture_without_pixels_is_refused():
    with pytest.raises(DataError, match="it is 0 x 5"):
        open_picture(Image.new("RGB", (0, 5)))


def test_programs_are_not_run(monkeypatch):
    monkeypatch.setattr("PIL.EpsImagePlugin.Ghostscript", lambda *_: pytest.fail("run"))
    with pytest.raises(DataError, match="EPS is a program"):
        open_picture(encoded(Image.new("RGB", (4, 4)), "EPS"))


@pytest.mark.parametrize(
    "error", [IndexError(""), MemoryError(), RuntimeError("a\nb\x1b[0m"), NotImplementedError(), KeyError(1)]
)
def test_whatever_a_decoder_raises_is_one_error(error, monkeypatch):
    def fail(_):
        raise error

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", fail)
    with pytest.raises(DataError, match="image x.png is corrupt or no image") as caught:
        open_picture(encoded(Image.new("RGB", (4, 4))), "x.png")
    assert str(caught.value).isprintable()
    assert "()" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"hello", b"<svg/>", b"\x89PNG\r\n", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"])
def test_what_is_no_picture_is_said_in_the_same_words_each_time(data):
    with pytest.raises(
        DataError, match=r"^image x is corrupt or no image \(of no format that can be read here, .*\); replace it or"
    ):
        open_picture(data, "x")


def test_a_warning_of_a_decoder_is_no_error(monkeypatch):
    load = PngImagePlugin.PngImageFile.load

    def warn(self):
        warnings.warn_explicit("odd", UserWarning, "PIL/x.py", 1, module="PIL.x")
        return load(self)

    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", warn)
    before = list(warnings.filters)
    assert open_picture(encoded(Image.new("RGB", (4, 4)))).size == (4, 4)
    assert list(warnings.filters) == before


@pytest.mark.parametrize("path", ["missing.png", "no/folder.png", "\0.png", "x" * 3000])
def test_a_mistyped_path_is_named(path):
    with pytest.raises((MissingImageError, DataError), match=r"is not there; check the path|cannot be read"):
        open_picture(path)


@pytest.mark.parametrize(("path", "kind"), [(".", "folder"), ("/dev/zero", "device")])
def test_what_is_no_file_is_not_read(path, kind):
    with pytest.raises(DataError, match=f"it is a {kind}"):
        open_picture(path)


@pytest.mark.parametrize("value", [None, 3, ["a.png"], {"path": "a.png"}, object()])
def test_what_holds_no_picture_is_refused(value):
    with pytest.raises(UsageError, match="must be a path, bytes, a PIL image or a numpy array; got"):
        open_picture(value)


@pytest.mark.parametrize("length", [1_000, 100_000])
def test_a_picture_in_letters_is_not_quoted_whole(length: int):
    with pytest.raises(TrimtabError, match="^image data:image/png;base64,a+") as error:
        open_picture("data:image/png;base64," + "a" * length)
    assert len(str(error.value)) < 500
