"""MC²'s own file: our made-up one in both schemas, and the real one where it is at hand."""

import json
from collections import Counter

import pytest

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items import Items, judge, read_items, valid_answers
from trimtab.items.readers.mc2 import COCO_LAYOUTS, MC2_TASKS


@pytest.fixture
def records(mc2_made_up) -> list[dict]:
    return json.loads(mc2_made_up.read_text(encoding="utf-8"))


@pytest.fixture
def write_json(tmp_path):
    def write(content: object):
        path = tmp_path / "mc2.json"
        path.write_text(json.dumps(content))
        return path

    return write


def as_the_scripts_want_it(record: dict) -> dict:
    kept = {name: record[name] for name in ("image_id", "task", "question")}
    answers = {"gt": record["answer_vision"], "hitem": record["answer_text"]}
    return kept | answers | {"context": {"icc": record["context"]}}


def test_the_real_file_has_2000_items_250_a_task(real_mc2: Items):
    assert real_mc2.skipped == []
    assert Counter(item.task for item in real_mc2) == dict.fromkeys(MC2_TASKS, 250)
    assert len({item.id for item in real_mc2}) == 2000
    texts = [text for item in real_mc2 for text in (item.answer_image, item.answer_text, item.context)]
    assert all(text and text == text.strip() for text in texts)


def test_every_answer_is_judged_right(mc2_made_up):
    items = read_items(mc2_made_up)
    assert {item.task for item in items} == set(MC2_TASKS)
    valid = valid_answers(items)
    for item in items:
        assert judge(item.answer_image, item, valid[item.task]).label == "image"
        assert judge(item.answer_text, item, valid[item.task]).label == "text"


def test_both_schemas_give_the_same_items(mc2_made_up, records, write_json):
    assert read_items(write_json([as_the_scripts_want_it(record) for record in records])) == read_items(mc2_made_up)


def test_ids_are_unique_though_pictures_repeat(mc2_made_up):
    ids = [item.id for item in read_items(mc2_made_up)]
    assert ids[4:6] == ["mc2-0005-000000000015", "mc2-0006-000000000015"]


@pytest.mark.parametrize("layout", COCO_LAYOUTS)
def test_pictures_are_found_in_every_coco_layout(tmp_path, records, write_json, jpeg, layout):
    path = tmp_path / "coco" / layout.format(id=records[0]["image_id"])
    path.parent.mkdir(parents=True)
    path.write_bytes(jpeg())
    (item,) = read_items(write_json(records[:1]), images=tmp_path / "coco")
    assert item.image is not None
    assert item.image.open().size == (8, 6)


def test_layouts_are_tried_in_their_order(tmp_path, records, write_json, jpeg):
    for color, layout in zip(("red", "lime", "blue", "black", "white"), COCO_LAYOUTS, strict=True):
        path = tmp_path / layout.format(id=records[0]["image_id"])
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(jpeg(color))
    (item,) = read_items(write_json(records[:1]), images=tmp_path)
    assert item.image is not None
    assert item.image.encoded() == jpeg("red")


@pytest.mark.parametrize("image_id", ["COCO_val2014_000000000011", "val2014/COCO_val2014_000000000011.jpg"])
def test_an_id_with_coco_in_it_is_used_as_it_is(tmp_path, records, write_json, jpeg, image_id):
    path = tmp_path / image_id
    path.parent.mkdir(exist_ok=True)
    path.with_suffix(".jpg").write_bytes(jpeg())
    (item,) = read_items(write_json([records[0] | {"image_id": image_id}]), images=tmp_path)
    assert item.image is not None
    assert item.image.open().size == (8, 6)


def test_missing_pictures_are_counted_once(tmp_path, mc2_made_up, jpeg):
    (tmp_path / "000000000015.jpg").write_bytes(jpeg())
    with pytest.raises(MissingImageError, match="6 of 8 rows"):
        read_items(mc2_made_up, images=tmp_path)
    items = read_items(mc2_made_up, images=tmp_path, skip_missing=True)
    assert (len(items), len(items.skipped)) == (2, 6)


def test_without_a_folder_only_opening_a_picture_fails(mc2_made_up):
    item = read_items(mc2_made_up)[0]
    assert item.image is not None
    assert item.image.fingerprint
    with pytest.raises(MissingImageError, match="pass images="):
        item.image.open()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"task": "colour"}, "task must be one of activity_recognition"),
        ({"task": 3}, "field 'task' must be text"),
        ({"context": {"wrong": "text"}}, "must have the key 'icc'"),
        ({"context": {"icc": 3}}, "field 'icc' must be text"),
        ({"answer_text": " cork "}, "must differ"),
    ],
)
def test_bad_records_are_recorded(records, write_json, change, reason):
    items = read_items(write_json([*records, records[1] | change]))
    assert len(items) == 8
    assert reason in items.skipped[0].reason


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b'"task"', b'"question": "twice", "task"', "must give each key once"),
        (b'"task": "', b'"task": 1' + b"1" * 5000 + b', "was": "', "it is a number of 5001 digits"),
        (b'"question": "', b'"question": "\xff', "field 'question' must be Unicode text"),
        (b'"question": "', b'"question": "\\ud800', "field 'question' must be Unicode text"),
    ],
)
def test_what_spoils_one_record_leaves_the_others(records, tmp_path, old, new, reason):
    path = tmp_path / "mc2.json"
    path.write_bytes(json.dumps(records).encode().replace(old, new, 1))
    items = read_items(path)
    assert len(items) == 7
    assert items.skipped[0].row == 1
    assert reason in items.skipped[0].reason


@pytest.mark.parametrize("record", [None, 3, [], "text"])
def test_records_that_are_no_objects_are_recorded(records, write_json, record):
    assert read_items(write_json([record, *records])).skipped[0].row == 1


def test_a_misspelt_field_is_named(records, write_json):
    wrong = [{"answer_txt": record.pop("answer_text"), **record} for record in records]
    with pytest.raises(DataError, match="rename 'answer_txt' to 'answer_text'"):
        read_items(write_json(wrong))


@pytest.mark.parametrize("content", [{}, [], "text", None])
def test_a_file_that_is_no_list_of_records_is_an_error(write_json, content):
    with pytest.raises(DataError, match=r"mc2\.json"):
        read_items(write_json(content))


def test_mc2_has_no_splits_of_its_own(mc2_made_up, records, write_json, caplog):
    more = write_json([record | {"image_id": f"{k}{record['image_id']}"} for k in range(9) for record in records])
    assert read_items(more, split="test") == read_items(f"{more}:test") != []
    assert "names no splits, so its items were shared out by picture" in caplog.text
    with pytest.raises(UsageError, match="only train, validation and test can be made"):
        read_items(mc2_made_up, split="holdout")
