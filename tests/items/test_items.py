import inspect
import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
from PIL import Image

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items import ImageScene, Item, MediaBytes, MediaFile, items_fingerprint

ITEM = Item("1", "animal", "What?", context="A dog.", answer_image="cat", answer_text="dog")


class Plain:
    """A scene of one colour."""

    def __init__(self, color: str):
        self.color = color

    def render(self) -> Image.Image:
        return Image.new("RGB", (3, 2), self.color)


def drawing(color: str) -> ImageScene:
    return ImageScene(Plain(color))


def test_a_picture_has_one_fingerprint_in_file_and_memory(tmp_path, jpeg):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    assert MediaFile(path).fingerprint == MediaBytes(jpeg()).fingerprint != MediaBytes(jpeg("blue")).fingerprint


def test_drawings_are_told_apart_by_their_pixels():
    assert drawing("red").fingerprint == drawing("red").fingerprint != drawing("blue").fingerprint


def test_a_drawing_that_describes_itself_is_not_drawn_to_be_told_apart():
    @dataclass(frozen=True)
    class Described:
        color: str

        def render(self) -> Image.Image:
            raise AssertionError("drawn")

    red, blue = (ImageScene(Described(color)).fingerprint for color in ("red", "blue"))
    assert red == ImageScene(Described("red")).fingerprint != blue


def test_a_picture_is_opened_in_rgb(jpeg):
    assert MediaBytes(drawing("red").encoded()).open().getpixel((0, 0)) == (255, 0, 0)


def test_a_decoding_error_anywhere_is_a_data_error(jpeg):
    for data in (b"", b"\x89PNG\r\n\x1a\n", jpeg()[:-40], drawing("red").encoded()[:50]):
        with pytest.raises(DataError, match="corrupt"):
            MediaBytes(data, "of item 1").open()


@pytest.mark.parametrize(
    "change",
    [
        {"id": "2"},
        {"question": "Why?"},
        {"context": ""},
        {"answer_text": "cow"},
        {"aliases_image": ("kitty",)},
        {"image": drawing("red")},
    ],
)
def test_fingerprint_changes_with_what_an_item_is(change):
    assert items_fingerprint([replace(ITEM, **change)]) != items_fingerprint([ITEM])


def test_fingerprint_ignores_how_an_item_is_used():
    assert items_fingerprint([replace(ITEM, split="test", tags=("x",))]) == items_fingerprint([ITEM])


def test_fingerprint_depends_on_the_order():
    other = replace(ITEM, id="2")
    assert items_fingerprint([ITEM, other]) != items_fingerprint([other, ITEM])


def test_importing_the_package_stays_light():
    code = "import sys, trimtab.items; sys.stdout.write(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert {"torch", "transformers", "pandas", "pyarrow", "PIL"}.isdisjoint(done.stdout.split())


def test_fingerprint_is_the_same_in_another_process():
    code = (
        "from trimtab.items import Item, items_fingerprint as f;"
        "item = Item('1', 'animal', 'What?', context='A dog.', answer_image='cat', answer_text='dog');"
        "import sys; sys.stdout.write(f([item]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == items_fingerprint([ITEM])


def test_an_item_takes_a_picture_in_any_form(tmp_path, jpeg):
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg())
    pixels = np.asarray(MediaFile(path).open())
    forms = [path, str(path), jpeg(), Image.open(path), pixels, MediaFile(path)]
    items = [replace(ITEM, image=form) for form in forms]
    assert all(item.image and np.array_equal(np.asarray(item.image.open()), pixels) for item in items)
    assert items[0] == items[1] == items[5]
    assert items[3] == items[4]
    assert hash(items[3]) == hash(items[4])
    assert ITEM.image is None
    assert len({items_fingerprint([item]) for item in items}) == 2  # by the file's bytes, or by pixels


def test_pixels_of_an_item_are_its_own():
    pixels = np.zeros((4, 5, 3), np.uint8)
    (item,) = [replace(ITEM, image=pixels)]
    pixels[:] = 255
    assert item.image is not None
    assert item.image.open().getpixel((0, 0)) == (0, 0, 0)
    assert MediaBytes(item.image.encoded()).open().size == (5, 4)


def test_a_picture_of_no_kind_is_refused():
    with pytest.raises(UsageError, match="must be a path, bytes, a PIL image or a numpy array; got int"):
        replace(ITEM, image=3)


def test_a_file_that_is_not_there_is_said_when_it_is_opened():
    item = replace(ITEM, image="missing.png")
    assert item.image is not None
    with pytest.raises(MissingImageError, match=r"image missing.png is not there; check the path"):
        item.image.open()


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"question": 7}, "`question` of Item must be text; got 7"),
        ({"context": None}, "`context` of Item must be text; got None"),
        ({"id": " "}, "`id` of item ' ' must not be empty"),
        ({"question": ""}, "`question` of item '1' must not be empty"),
        ({"answer_image": ""}, "`answer_image` of item '1' must contain a word; got ''"),
        ({"answer_text": "?!"}, "`answer_text` of item '1' must contain a word"),
        (
            {"answer_text": "A cat."},
            "`answer_image` and `answer_text` of item '1' must differ; 'cat' and",
        ),
        ({"relevant": "both"}, "must be the same where both are relevant; got 'cat' and 'dog'"),
        ({"relevant": "text", "answer_text": ""}, "`answer_text` of item '1' must contain a word"),
        (
            {"relevant": "picture"},
            "`relevant` of Item must be one of image, text, both, audio, video, several .*; got 'picture'",
        ),
        ({"aliases_image": "kitty"}, "`aliases_image` of Item must be a list, each text; got 'kitty'"),
        ({"choices": ("cat", 3)}, "`choices` of Item must be a list, each text"),
        ({"split": 1}, "`split` of Item must be text or none; got 1"),
        ({"closed": "no"}, "`closed` of Item must be true or false; got 'no'"),
        ({"questoin": "?"}, "'questoin'; it takes id, task, .*; did you mean 'question'"),
    ],
)
def test_an_item_that_cannot_be_is_refused_when_it_is_made(change, match):
    with pytest.raises(UsageError, match=match):
        replace(ITEM, **change)


def test_a_call_with_too_little_or_too_much_says_what_it_takes():
    with pytest.raises(UsageError, match=r"Item: missing a required argument: 'id'; it takes id, task, question"):
        Item()  # pyright: ignore[reportCallIssue]
    with pytest.raises(UsageError, match="Item: too many positional arguments"):
        Item(*"abcdefghijklmnop")  # pyright: ignore[reportCallIssue, reportArgumentType]
    with pytest.raises(UsageError, match="Item: multiple values for argument 'id'"):
        Item("1", id="2")  # pyright: ignore[reportCallIssue]


def test_lists_become_tuples_and_the_irrelevant_answer_may_be_empty():
    item = Item("1", "t", "What?", answer_image="cat", relevant="image", choices=["cat", "dog"])  # pyright: ignore[reportArgumentType]
    assert (item.choices, item.answer) == (("cat", "dog"), "cat")
    assert hash(item) == hash(replace(item))
    assert list(inspect.signature(Item).parameters)[:2] == ["id", "task"]
