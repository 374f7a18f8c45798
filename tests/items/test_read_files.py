"""Reading the user's own JSON Lines and Parquet."""

import json
import logging
import tracemalloc

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items import Item, MediaBytes, MediaSource, read_items


def image_of(item: Item) -> MediaSource:
    assert item.image is not None
    return item.image


def test_a_row_becomes_an_item(write_rows, row):
    row |= {"aliases_text": ["hound"], "choices": ["cat", "dog"], "split": "test", "tags": ["easy"]}
    (item,) = read_items(write_rows(row))
    assert (item.context, item.answer_image, item.answer_text) == ("A dog sleeps on the porch.", "cat", "dog")
    assert (item.task, item.aliases_text, item.choices) == ("breed", ("hound",), ("cat", "dog"))
    assert (item.split, item.tags, item.image) == ("test", ("easy",), None)


def test_image_paths_start_at_the_file_or_at_images(write_rows, row, tmp_path, jpeg):
    elsewhere = tmp_path / "pictures"
    elsewhere.mkdir()
    (elsewhere / "a.jpg").write_bytes(jpeg())
    beside = write_rows(row | {"image": "pictures/a.jpg"})
    assert image_of(read_items(beside)[0]).open().size == (8, 6)
    (item,) = read_items(write_rows(row | {"image": "a.jpg"}), images=elsewhere)
    assert image_of(item).open().size == (8, 6)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"answer_text": None, "answer_txt": "dog"}, "rename 'answer_txt' to 'answer_text'"),
        ({"answer_text": None}, "field 'answer_text' is missing"),
        ({"alias_text": ["hound"]}, "did you mean 'aliases_text'"),
        ({"question": 7}, "field 'question' must be text; it is 7"),
        ({"task": " "}, "field 'task' must not be empty"),
        ({"aliases_text": "hound"}, "field 'aliases_text' must be a list of texts"),
        ({"answer_text": "A cat."}, "answer_image and answer_text must differ"),
        ({"answer_text": "?!"}, "field 'answer_text' must contain a word"),
        ({"id": "good"}, "id 'good' must be unique; row 1 has it too"),
        ({"image": 3}, "field 'image' must be text"),
        ({"image": "https://example.org/a.png"}, "field 'image' must be the path of a file"),
        ({"image": "data:image/png;base64,iVBORw0KGgo="}, "field 'image' must be the path of a file"),
        ({"id": True}, "field 'id' must be text or a whole number; it is True"),
        ({"id": 1.5}, "field 'id' must be text or a whole number; it is 1.5"),
        ({"context": float("nan")}, "field 'context' must be text; it is nan"),
        ({"question": "\ud800 q"}, "field 'question' must be Unicode text; character 1"),
        ({"tags": ["\udfff"]}, "field 'tags' must be Unicode text"),
        ({"context": "x" * 1_000_001}, "must have at most 1,000,000 characters; it has 1,000,001"),
    ],
)
def test_a_bad_row_is_recorded_and_the_rest_loads(write_rows, row, change, reason, caplog):
    with caplog.at_level(logging.WARNING):
        items = read_items(write_rows(row | {"id": "good"}, row | change, row | {"id": "last"}))
    assert [item.id for item in items] == ["good", "last"]
    ((number, why),) = items.skipped
    assert number == 2
    assert reason in why
    assert "1 of 3 rows skipped" in caplog.text


def test_fields_of_ones_own_are_left_alone(write_rows, row):
    items = read_items(write_rows(row | {"image_id": 7, "source": "web"}))
    assert (len(items), items.skipped) == (1, [])


@pytest.mark.parametrize(
    "line", ["{not json", "[1, 2]", '"text"', "[" * 100_000, "\0" * 9, '{"id": ' + "1" * 5000 + "}", '{"a": 1, "a": 2}']
)
def test_a_broken_line_is_recorded(write_rows, row, line):
    items = read_items(write_rows(line, row))
    assert (len(items), items.skipped[0].row) == (1, 1)


def test_a_repeated_key_is_recorded_and_not_decided(write_rows, row):
    line = json.dumps(row | {"id": "2"})
    items = read_items(write_rows(row, line.replace('"task"', '"answer_image": "green", "task"')))
    assert len(items) == 1
    assert items.skipped[0].reason == "the line must give each key once; it has 'answer_image' twice."


def test_a_byte_that_is_no_utf8_spoils_its_line_alone(tmp_path, row):
    path = tmp_path / "items.jsonl"
    good, bad = json.dumps(row).encode(), json.dumps(row | {"id": "2", "context": "#"}).encode()
    path.write_bytes(bad.replace(b"#", b"\xff") + b"\r\n\n" + good)
    items = read_items(path)
    assert [item.id for item in items] == ["u1"]
    assert items.skipped[0].row == 1
    assert "byte 0xff at character" in items.skipped[0].reason


def test_files_put_together_keep_their_byte_order_marks(tmp_path, row):
    path = tmp_path / "items.jsonl"
    path.write_text("".join(f"\ufeff{json.dumps(row | {'id': n})}\n" for n in (1, 2)), encoding="utf-8")
    assert [item.id for item in read_items(path)] == ["1", "2"]


def test_reasons_can_be_printed_whatever_the_row_holds(write_rows, row):
    items = read_items(
        write_rows(row, {**row, "answer_\ud800image\x1b[31m": row["answer_image"], "answer_image": None})
    )
    assert items.skipped[0].reason.isprintable()
    assert items.skipped[0].reason.encode()


def test_lines_are_read_as_they_are_needed(tmp_path, row):
    path = tmp_path / "items.jsonl"
    text = "word " * 40_000
    with path.open("w") as file:
        file.writelines(json.dumps(row | {"id": n, "own": text}) + "\n" for n in range(100))
    tracemalloc.start()
    assert len(read_items(path)) == 100
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < path.stat().st_size / 4


def test_a_line_without_end_is_skipped(tmp_path, row, monkeypatch):
    monkeypatch.setattr("trimtab.items.readers.jsonl.LONGEST_LINE", 400)
    path = tmp_path / "items.jsonl"
    path.write_text("\n".join([json.dumps(row), "x" * 2000, json.dumps(row | {"id": "2"}), "y" * 400]))
    items = read_items(path)
    assert [item.id for item in items] == ["u1", "2"]
    assert [skipped.row for skipped in items.skipped] == [2, 4]


def test_nothing_usable_is_an_error_with_the_first_reasons(write_rows, row):
    with pytest.raises(DataError, match=r"no usable row among 2 \(row 1: item u1: field 'task'"):
        read_items(write_rows(row | {"task": 1}, row | {"task": 2}))


def test_columns_of_other_names_are_told_at_once_with_the_way_to_map_them(write_rows):
    own = {"qid": "q1", "photo": "a.png", "ask": "What?", "caption": "A dog.", "says": "cat"}
    with pytest.raises(DataError) as told:
        read_items(write_rows(own, own | {"qid": "q2"}))
    assert str(told.value).endswith(
        "(of each: fields 'id', 'task', 'question', 'context', 'answer_image', 'answer_text' are missing; the row has "
        "['ask', 'caption', 'photo', 'qid', 'says'].) Where columns have other names, a mapping says which: "
        "docs/data.md."
    )


@pytest.mark.parametrize("name", ["items.jsonl", "items.json", "items.parquet"])
def test_an_empty_file_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.touch()
    with pytest.raises(DataError, match=name):
        read_items(path)


@pytest.mark.parametrize("name", ["items.jsonl", "items.json", "items.parquet"])
def test_a_binary_file_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=name):
        read_items(path)


def test_missing_images_are_one_error_or_counted_skips(write_rows, row, tmp_path, jpeg):
    (tmp_path / "there.jpg").write_bytes(jpeg())
    rows = [row | {"id": str(number), "image": f"gone{number}.jpg"} for number in range(7)]
    path = write_rows(row | {"image": "there.jpg"}, *rows)
    with pytest.raises(MissingImageError, match="7 of 8 rows") as caught:
        read_items(path)
    assert str(caught.value).count("gone") == 5
    items = read_items(path, skip_missing=True)
    assert (len(items), len(items.skipped)) == (1, 7)


@pytest.mark.parametrize("name", ["x" * 5000, "nul\0.jpg", "no/such/folder.jpg", "."])
def test_impossible_image_names_are_missing_images(write_rows, row, name):
    items = read_items(write_rows(row, row | {"id": "2", "image": name}), skip_missing=True)
    assert (len(items), len(items.skipped)) == (1, 1)


def test_skipping_every_image_is_still_an_error(write_rows, row):
    with pytest.raises(MissingImageError, match="1 of 1 rows"):
        read_items(write_rows(row | {"image": "gone.jpg"}), skip_missing=True)


def test_split_keeps_its_items_and_names_the_others(write_rows, row):
    path = write_rows(row | {"split": "train"}, row | {"id": "2", "split": "test"}, row | {"id": "3"})
    assert [item.id for item in read_items(path, split="test")] == ["2"]
    with pytest.raises(UsageError, match="has test, train"):
        read_items(path, split="validation")


def test_a_split_in_the_name_is_the_files_own_or_made(write_rows, row):
    own = write_rows(row | {"split": "train"}, row | {"id": "2", "split": "test"})
    assert [item.id for item in read_items(f"{own}:test")] == ["2"]
    rows = [row | {"id": str(n)} for n in range(20)]
    made = {split: read_items(f"{write_rows(*rows)}:{split}") for split in ("train", "validation", "test")}
    assert {split: len(items) for split, items in made.items()} == {"train": 12, "validation": 4, "test": 4}
    assert len({item.id for items in made.values() for item in items}) == len(rows)


@pytest.mark.parametrize("stored", ["bytes", "path", "datasets bytes", "datasets path"])
def test_parquet_images(tmp_path, row, jpeg, stored):
    (tmp_path / "a.jpg").write_bytes(jpeg("blue"))
    image = {
        "bytes": jpeg("blue"),
        "path": "a.jpg",
        "datasets bytes": {"bytes": jpeg("blue"), "path": "elsewhere.jpg"},
        "datasets path": {"bytes": None, "path": "a.jpg"},
    }[stored]
    path = tmp_path / "items.parquet"
    pd.DataFrame([row | {"image": image, "aliases_text": ["hound"]}]).to_parquet(path)
    (item,) = read_items(path)
    assert item.aliases_text == ("hound",)
    assert image_of(item).encoded() == jpeg("blue")


def test_a_parquet_string_that_is_no_utf8_spoils_its_row_alone(tmp_path, row):
    raw = pa.array([b"What?", b"\xff\xfe", b"What?"])
    questions = pa.Array.from_buffers(pa.string(), 3, raw.buffers())
    columns = {name: [value] * 3 for name, value in row.items()}
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table(columns | {"id": [1.0, 2.0, 3.0], "question": questions}), path)
    items = read_items(path)
    assert [item.id for item in items] == ["1", "3"]
    assert items.skipped[0].row == 2
    assert "field 'question' cannot be read" in items.skipped[0].reason


def test_columns_that_no_item_has_are_not_decoded(tmp_path, row):
    columns = {name: [value] for name, value in row.items()}
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table(columns | {"when": pa.array([2**62], pa.timestamp("us"))}), path)
    assert len(read_items(path)) == 1


def test_a_damaged_part_of_a_parquet_file_costs_its_rows_alone(tmp_path, row):
    columns = {name: [f"{value}-{n}" for n in range(40)] for name, value in row.items()}
    path = tmp_path / "items.parquet"
    pq.write_table(pa.table(columns), path, row_group_size=10, compression="gzip")
    data, column = bytearray(path.read_bytes()), pq.ParquetFile(path).metadata.row_group(1).column(3)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + 60] = b"\xff" * 60
    path.write_bytes(data)
    items = read_items(path)
    assert (len(items), len(items.skipped)) == (30, 10)
    assert [skipped.row for skipped in items.skipped] == list(range(11, 21))


def test_a_repeated_column_is_an_error(tmp_path):
    path = tmp_path / "items.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["id", "id"]), path)
    with pytest.raises(DataError, match="it has 'id' twice"):
        read_items(path)


def test_parquet_with_a_wrong_column(tmp_path, row):
    path = tmp_path / "items.parquet"
    pd.DataFrame([row]).rename(columns={"answer_text": "answer_txt"}).to_parquet(path)
    with pytest.raises(DataError, match="rename 'answer_txt' to 'answer_text'"):
        read_items(path)


def test_a_corrupt_image_is_named_when_it_is_opened(tmp_path, write_rows, row, jpeg):
    (tmp_path / "half.jpg").write_bytes(jpeg()[:200])
    (item,) = read_items(write_rows(row | {"image": "half.jpg"}))
    assert image_of(item).fingerprint
    with pytest.raises(DataError, match=r"half\.jpg is corrupt"):
        image_of(item).open()
    with pytest.raises(DataError, match="row 3 is corrupt"):
        MediaBytes(b"no image", "row 3").open()


def test_an_image_that_goes_away(tmp_path, write_rows, row, jpeg):
    picture = tmp_path / "a.jpg"
    picture.write_bytes(jpeg())
    (item,) = read_items(write_rows(row | {"image": "a.jpg"}))
    picture.unlink()
    with pytest.raises(MissingImageError, match=r"a\.jpg"):
        image_of(item).open()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"source": "items.csv"}, UsageError, "items.csv"),
        ({"source": "nowhere.jsonl"}, DataError, "existing file"),
        ({"source": "nowhere.jsonl", "images": "nowhere"}, UsageError, "existing folder"),
    ],
)
def test_wrong_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        read_items(**arguments)


def test_byte_order_mark_and_line_separators_inside_texts(tmp_path, row):
    path = tmp_path / "items.jsonl"
    path.write_text(json.dumps(row | {"context": "one\u2028two"}, ensure_ascii=False), encoding="utf-8-sig")
    assert read_items(path)[0].context == "one\u2028two"
