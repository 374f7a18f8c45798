import errno
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items import ImageScene, Item, MediaBytes, items_fingerprint, read_items, write_items

SUFFIXES = (".jsonl", ".parquet")
TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20).map(str.strip)
LISTS = st.lists(TEXT, max_size=2).map(tuple)
ITEMS = st.lists(
    st.builds(
        Item,
        id=st.uuids().map(str),
        task=TEXT.filter(bool),
        question=TEXT.filter(bool),
        context=TEXT,
        answer_image=st.just("cat"),
        answer_text=st.just("dog"),
        aliases_image=LISTS,
        aliases_text=LISTS,
        choices=LISTS,
        split=st.none() | st.just("test"),
        tags=LISTS,
        closed=st.booleans(),
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda item: item.id,
)


def item(image=None, name: str = "1") -> Item:
    return Item(
        name,
        "animal",
        "What?",
        context="A dog.",
        answer_image="cat",
        answer_text="dog",
        image=image,
        split="test",
        tags=("x",),
    )


@pytest.mark.parametrize("suffix", SUFFIXES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(items=ITEMS)
def test_texts_come_back_as_they_were(tmp_path, suffix, items):
    assert read_items(write_items(items, tmp_path / f"items{suffix}")) == items


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pictures_come_back_byte_for_byte(tmp_path, jpeg, suffix):
    items = [item(MediaBytes(jpeg()), "1"), item(MediaBytes(jpeg()), "2"), item(MediaBytes(jpeg("blue")), "3")]
    items.append(item(None, "4"))
    back = read_items(write_items(items, tmp_path / "new" / f"items{suffix}"))
    assert items_fingerprint(back) == items_fingerprint(items)


def test_a_shared_picture_is_stored_once(tmp_path, jpeg):
    write_items([item(MediaBytes(jpeg()), "1"), item(MediaBytes(jpeg()), "2")], tmp_path / "items.jsonl")
    assert len(list((tmp_path / "items-images").iterdir())) == 1


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_drawing_becomes_a_lossless_picture(tmp_path, jpeg, suffix):
    picture = MediaBytes(jpeg()).open()

    class Drawing:
        def render(self):
            return picture

    (back,) = read_items(write_items([item(ImageScene(Drawing()))], tmp_path / f"items{suffix}"))
    assert back.image is not None
    assert back.image.open().tobytes() == picture.tobytes()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_failure_leaves_what_was_there(tmp_path, suffix, mc2_made_up):
    path = write_items([item()], tmp_path / f"items{suffix}")
    before = path.read_bytes()
    with pytest.raises(MissingImageError):
        write_items(read_items(mc2_made_up), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_a_corrupt_picture_is_named(tmp_path):
    with pytest.raises(DataError, match="of item 1 is corrupt"):
        write_items([item(MediaBytes(b"no image"))], tmp_path / "items.jsonl")


def test_a_full_disk_is_a_clear_error(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(DataError, match=r"No space left on device.*free some space"):
        write_items([item()], tmp_path / "items.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("items", "name"), [([], "items.jsonl"), ([item()], "items.csv")])
def test_wrong_arguments(tmp_path, items, name):
    with pytest.raises(UsageError):
        write_items(items, tmp_path / name)
