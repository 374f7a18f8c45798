"""What is said of rows that cannot be used: all of them, by their own ids, and which of them are no fault."""

import logging

import pytest

from trimtab.errors import DataError, MissingImageError
from trimtab.items import inspect_items, read_items
from trimtab.items.item import Agreeing, MediumMissing


def test_a_skipped_row_is_named_by_its_own_id(write_rows, row):
    items = read_items(write_rows(row | {"id": "good"}, row | {"id": "food-10", "question": ""}))
    assert items.skipped[0].reason.startswith("item food-10: field 'question'")


def test_a_long_list_of_skipped_rows_says_how_many_more(write_rows, row, caplog):
    bad = [row | {"id": f"bad{number}", "question": ""} for number in range(6)]
    path = write_rows(row, *bad)
    with caplog.at_level(logging.WARNING):
        read_items(path)
        read_items(path)
    [said] = caplog.messages
    assert "6 of 7 rows skipped (row 2: item bad0: " in said
    assert said.endswith("; and 5 more; `trimtab data show` lists all).")
    assert ".;" not in said


def test_a_row_that_agrees_is_no_fault(write_rows, row):
    items = read_items(write_rows(row | {"id": "good"}, row | {"id": "same", "answer_text": row["answer_image"]}))
    assert isinstance(items.skipped[0], Agreeing)
    found = {one.what: one.wrong for one in inspect_items(items)}
    assert found["rows whose picture and text agree"] is False


def test_missing_pictures_do_not_hide_what_is_wrong_with_every_row(write_rows, row, tmp_path):
    bad = {name: value for name, value in row.items() if name != "answer_image"}
    path = write_rows(row | {"id": "a", "image": "gone.jpg"}, bad | {"id": "b"}, bad | {"id": "c"})
    with pytest.raises(DataError, match="no usable row among 3") as caught:
        read_items(path)
    assert not isinstance(caught.value, MissingImageError)


def test_a_missing_picture_is_one_finding_among_others(write_rows, row):
    items = read_items(
        write_rows(row | {"id": "good"}, row | {"id": "gone", "image": "gone.jpg"}, row | {"id": "bad", "task": ""}),
        skip_missing=True,
    )
    assert [type(one) for one in items.skipped][0] is MediumMissing
    found = {one.what: one.example for one in inspect_items(items) if one.wrong}
    assert list(found)[:2] == ["rows that were skipped", "rows whose picture, sound or clip is missing"]
    assert found["rows whose picture, sound or clip is missing"].startswith("row 2: item gone: image ")
