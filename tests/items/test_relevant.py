"""Items with one right answer: from rows, and back."""

import json

import pytest

from trimtab.errors import DataError
from trimtab.items import Item, MediaBytes, items_fingerprint, read_items, write_items

ROW = {"id": "1", "task": "facts", "question": "Capital of Peru?", "relevant": "text", "answer": "Lima"}
IMAGE_ROW = {"id": "2", "task": "things", "question": "What is it?", "relevant": "image", "answer": "dog"}


def read(tmp_path, *rows):
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_items(path)


def test_one_answer_goes_where_it_belongs(tmp_path, jpeg):
    (tmp_path / "a.jpg").write_bytes(jpeg())
    text, image, both = read(
        tmp_path,
        ROW,
        {**IMAGE_ROW, "image": "a.jpg", "answer_text": "cat", "context": "A cat.", "choices": ["cat", "dog"]},
        {**IMAGE_ROW, "id": "3", "image": "a.jpg", "relevant": "both"},
    )
    assert (text.answer_image, text.answer_text, text.context, text.answer) == ("", "Lima", "", "Lima")
    assert (image.answer_image, image.answer_text, image.answer) == ("dog", "cat", "dog")
    assert (both.answer_image, both.answer_text, both.relevant) == ("dog", "dog", ("image", "text"))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"relevant": "sound"}, "must be one of image, text, both"),
        ({"answer": None}, "field 'answer_text' is missing"),
        ({"answer": "!!!"}, "'answer_text' must contain a word"),
        ({"relevant": "both", "answer": "?"}, "must contain a word"),
        ({"answer_text": "Rome"}, "'answer' must be what is right; it is 'Lima', and 'answer_text' is 'Rome'"),
        ({"answer_text": "Lima", "answer": 5}, "'answer' must be text"),
        ({"relevant": "image"}, "'image' must be there"),
        ({"choices": ["Rome", "Quito"]}, "must hold the answer 'Lima'"),
        ({"choices": ["Lima", "Lima"]}, "no option twice"),
    ],
)
def test_a_bad_row_is_skipped_with_its_reason(tmp_path, change, reason):
    items = read(tmp_path, {**ROW, "id": "0"}, {**ROW, **change})
    assert len(items) == 1
    assert reason in items.skipped[0].reason


def test_a_conflict_item_has_no_right_answer():
    item = Item("1", "animal", "What?", context="A dog.", answer_image="cat", answer_text="dog")
    with pytest.raises(DataError, match="`relevant` of item 1"):
        _ = item.answer


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_items_come_back_as_they_were_written(tmp_path, jpeg, suffix):
    items = [
        Item("1", "facts", "Capital?", answer_text="Lima", choices=("Lima", "Rome"), relevant="text"),
        Item(
            "2",
            "things",
            "What?",
            context="A cat.",
            answer_image="dog",
            answer_text="cat",
            image=MediaBytes(jpeg()),
            relevant="image",
        ),
    ]
    back = read_items(write_items(items, tmp_path / f"items.{suffix}"))
    assert items_fingerprint(back) == items_fingerprint(items)
    assert [i.relevant for i in back] == [("text",), ("image",)]
