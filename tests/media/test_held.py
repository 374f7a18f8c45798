"""Prompts hold where pictures come from, not their pixels, and see when that changed."""

import copy
import gc
import pickle

import pytest
from PIL import Image, ImageOps

from trimtab import Prompt
from trimtab.errors import DataError, MissingImageError
from trimtab.media import Made, held
from trimtab.media.picture import Picture
from trimtab.testing import picture


@pytest.fixture(autouse=True)
def _nothing_recent(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(held, "RECENT_BYTES", 0)


@pytest.fixture
def path(tmp_path):
    picture(1, (60, 40)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def alive() -> int:
    gc.collect()
    return sum(type(o) is Picture and o.size == (60, 40) for o in gc.get_objects())


@pytest.mark.parametrize("form", ["path", "bytes"])
def test_pixels_are_let_go_of_and_opened_again(path, form, monkeypatch):
    given = path if form == "path" else path.read_bytes()
    before = alive()
    prompts = [Prompt("What?", given) for _ in range(5)]
    assert alive() == before
    assert prompts[0].images[0].tobytes() == picture(1, (60, 40)).tobytes()
    monkeypatch.chdir(path.parent.parent)
    assert prompts[1].with_instruction("Look.").images[0].size == (60, 40)


def test_pixels_of_an_image_are_kept():
    image = picture(1, (60, 40))
    prompt = Prompt("What?", image)
    image.paste((0, 0, 0), (0, 0, 60, 40))
    assert prompt.images[0] is prompt.images[0]
    assert prompt.images[0].tobytes() == picture(1, (60, 40)).tobytes()


def test_recent_pictures_are_not_opened_again(path, monkeypatch):
    monkeypatch.setattr(held, "RECENT_BYTES", 10**6)
    prompt = Prompt("What?", path)
    first = id(prompt.images[0])
    assert id(prompt.images[0]) == first
    monkeypatch.setattr(held, "RECENT_BYTES", 0)
    Prompt("What?", path)


def test_a_file_that_changed_or_went_is_said(path):
    prompt, other = Prompt("What?", path), Prompt("What?", path)
    Image.new("RGB", (60, 41)).save(path)
    with pytest.raises(DataError, match="must stay as it is"):
        prompt.images[0]
    path.unlink()
    with pytest.raises(MissingImageError):
        other.images[0]


def test_copies_and_other_processes_get_the_picture_itself(path):
    prompt = Prompt("What?", path)
    copies = copy.deepcopy(prompt), pickle.loads(pickle.dumps(prompt))
    path.unlink()
    assert [c.images[0].size for c in copies] == [(60, 40)] * 2


def test_a_made_picture_is_made_again(path):
    before = alive()
    prompt = Prompt("What?", Made(Prompt("What?", path).images[0], ImageOps.invert))
    assert alive() == before
    assert prompt.images[0].tobytes() == ImageOps.invert(picture(1, (60, 40))).tobytes()
