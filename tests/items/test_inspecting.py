"""What is wrong with items is found before a model is loaded."""

from trimtab.items import Item, Items, MediaBytes, inspect_items, read_items
from trimtab.items.item import Skipped


def item(number: int, **changes: object) -> Item:
    own: dict = {"context": "It is a dog.", "answer_image": "cat", "answer_text": "dog", "split": "test"} | changes
    return Item(id=f"i{number}", task="animals", question="What is it?", **own)


def found(*items: Item) -> dict[str, str]:
    return {one.what: one.example for one in inspect_items(Items(items)) if one.wrong}


def test_the_bundled_benchmark_is_sound():
    assert inspect_items(Items(read_items("pocket-mc2:test")[:40]))[0].wrong is False


def test_what_cannot_be_opened_is_found_once(jpeg):
    broken = MediaBytes(b"no picture", "given")
    every = found(item(1, image=MediaBytes(jpeg())), item(2, image=broken), item(3, image=broken))
    assert list(every) == ["items whose medium cannot be opened"]
    assert every["items whose medium cannot be opened"].startswith("i2: ")


def test_an_answer_by_what_is_not_shown_is_found():
    assert "no image" in found(item(1))["items with an answer by what they do not show"]


def test_an_answer_that_is_taken_for_another_is_found(jpeg):
    shown = MediaBytes(jpeg())
    mixed = item(1, image=shown, aliases_text=("cat",))
    assert "counts as" in found(mixed)["items whose own answer is not taken for what it is"]


def test_a_picture_in_two_splits_is_found(jpeg):
    shown = MediaBytes(jpeg())
    every = found(item(1, image=shown, split="train"), item(2, image=shown), item(3, image=shown, split=None))
    assert every == {"pictures, sounds or clips in several splits": "i2: also in train, i1"}


def test_skipped_rows_come_first():
    first = inspect_items(Items([item(1, answer_image="", relevant="text", answer_text="dog")], [Skipped(3, "why.")]))[
        0
    ]
    assert (first.count, first.example) == (1, "row 3: why.")
