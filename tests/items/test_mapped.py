"""Anybody's table by a mapping of its columns, of every form; folders of ``datasets``; VQA's files."""

import json
import pickle
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trimtab.errors import DataError, MissingImageError, UsageError
from trimtab.items import Items, read_items

COLUMNS = {
    "id": "qid",
    "question": "question",
    "context": "misleading.text",
    "answer_image": "answers.0",
    "aliases_image": "answers",
    "answer_text": "wrong",
    "image": "picture",
}


def rows(jpeg, number: int = 4) -> list[dict]:
    """Rows of nobody's schema; pictures as ``datasets`` keeps them."""
    colours = ("red", "blue", "green", "white")
    return [
        {
            "qid": place,
            "question": "What color is it?",
            "misleading": {"text": f"It is black, {place}.", "style": "calm"},
            "answers": [colours[place % 4], "reddish"],
            "wrong": "black",
            "picture": {"bytes": jpeg(colours[place % 4]), "path": None},
        }
        for place in range(number)
    ]


def mapping(folder: Path, file: str, columns: dict | None = None, **more: object) -> Path:
    path = folder / "mine.yaml"
    path.write_text(json.dumps({"file": file, "columns": COLUMNS if columns is None else columns, **more}))
    return path


def as_arrow(path: Path, table: pa.Table) -> Path:
    """As ``datasets`` writes: the stream format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def as_saved(folder: Path, splits: dict[str, list[dict]]) -> Path:
    """A folder as ``DatasetDict.save_to_disk`` writes it."""
    for split, held in splits.items():
        as_arrow(folder / split / "data-00000-of-00001.arrow", pa.Table.from_pylist(held))
        state = {"_data_files": [{"filename": "data-00000-of-00001.arrow"}], "_split": split}
        (folder / split / "state.json").write_text(json.dumps(state))
    (folder / "dataset_dict.json").write_text(json.dumps({"splits": list(splits)}))
    return folder


def check(items: Items) -> None:
    first = items[0]
    assert (first.id, first.task, first.context) == ("0", "mine", "It is black, 0.")
    assert (first.answer_image, first.aliases_image, first.answer_text) == ("red", ("red", "reddish"), "black")
    assert first.image is not None
    assert first.image.open().size == (8, 6)
    assert len({item.image.fingerprint for item in items if item.image}) == len(items) == 4


@pytest.mark.parametrize("form", ["parquet", "arrow", "datasets", "jsonl", "json"])
def test_every_form_of_table_reads_alike(form, jpeg, tmp_path):
    held = rows(jpeg)
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(held), tmp_path / "d.parquet")
    elif form == "arrow":
        as_arrow(tmp_path / "d.arrow", pa.Table.from_pylist(held))
    elif form == "datasets":
        as_saved(tmp_path / "d.datasets", {"test": held})
    else:
        for row in held:
            (tmp_path / f"{row['qid']}.jpg").write_bytes(row["picture"]["bytes"])
            row["picture"] = f"{row['qid']}.jpg"
        lines = "\n".join(map(json.dumps, held)) if form == "jsonl" else json.dumps(held)
        (tmp_path / f"d.{form}").write_text(lines)
    check(read_items(mapping(tmp_path, f"d.{form}")))


def test_parts_of_a_pattern_are_one_table(jpeg, tmp_path):
    held = rows(jpeg)
    for place in (0, 1):
        pq.write_table(pa.Table.from_pylist(held[2 * place : 2 * place + 2]), tmp_path / f"part-{place}.parquet")
    check(read_items(mapping(tmp_path, "part-*.parquet")))


def test_splits_of_a_datasets_folder_are_the_items_splits(jpeg, tmp_path):
    held = rows(jpeg)
    as_saved(tmp_path / "d", {"train": held[:3], "test": held[3:]})
    path = mapping(tmp_path, "d")
    assert [item.split for item in read_items(path)] == ["train"] * 3 + ["test"]
    assert [item.id for item in read_items(f"{path}:test")] == ["3"]


def test_a_datasets_folder_with_our_columns_needs_no_mapping(row, jpeg, tmp_path):
    picture = {"bytes": jpeg(), "path": "a.jpg"}
    as_saved(tmp_path / "d", {"test": [row | {"image": picture}], "train": [row | {"id": "u2", "image": picture}]})
    items = read_items(tmp_path / "d")
    assert [(item.id, item.split) for item in items] == [("u1", "test"), ("u2", "train")]
    assert read_items(f"{tmp_path / 'd'}:train")[0].id == "u2"
    alone = read_items(tmp_path / "d" / "test" / "data-00000-of-00001.arrow")
    assert alone[0].image is not None
    assert pickle.loads(pickle.dumps(alone[0].image)).open().size == (8, 6)


def test_pictures_of_arrow_files_stay_on_the_disk(row, tmp_path):
    heavy = 40 * [b"x" * 500_000]
    held = [row | {"id": str(n), "image": {"bytes": data, "path": None}} for n, data in enumerate(heavy)]
    path = as_arrow(tmp_path / "d.arrow", pa.Table.from_pylist(held))
    tracemalloc.start()
    items = read_items(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(items) == 40
    assert peak < 2_000_000


def test_each_turn_is_an_item_whose_context_is_all_up_to_it(jpeg, tmp_path):
    held = [row | {"talk": [{"text": "I saw it."}, {"text": "It is black."}]} for row in rows(jpeg, 1)]
    pq.write_table(pa.Table.from_pylist(held), tmp_path / "d.parquet")
    columns = {name: way for name, way in COLUMNS.items() if name != "context"}
    first, second = read_items(mapping(tmp_path, "d.parquet", columns, turns="talk.*.text"))
    assert (first.id, first.context, first.tags) == ("0-turn-1", "I saw it.", ("turn-1",))
    assert (second.id, second.context, second.tags) == ("0-turn-2", "I saw it.\nIt is black.", ("turn-2",))


def test_fixed_fields_and_numbers(jpeg, tmp_path):
    held = [row | {"count": 3} for row in rows(jpeg, 1)]
    pq.write_table(pa.Table.from_pylist(held), tmp_path / "d.parquet")
    columns = {"question": "question", "image": "picture", "answer": "count"}
    (item,) = read_items(mapping(tmp_path, "d.parquet", columns, fixed={"relevant": "image", "task": "counting"}))
    assert (item.id, item.task, item.answer, item.relevant) == ("mine-1", "counting", "3", ("image",))


@pytest.mark.parametrize(
    ("columns", "more", "message"),
    [
        (
            {"question": "questions"},
            {},
            r"`columns.question` of .*mine.yaml must be a column of d.parquet .*did you mean",
        ),
        ({"question": "nothing"}, {}, r"must be a column of d.parquet \(qid, question, .*got 'nothing'"),
        ({"qestion": "question"}, {}, r"must have fields of items alone .*did you mean 'question'"),
        ({"question": 3}, {}, r"`columns.question` .* must be the name of a column; got 3"),
        ([], {}, r"`columns` .* must be a mapping"),
        ({}, {"colums": {}}, r"must have no keys but .*; got 'colums'; did you mean 'columns'"),
        ({}, {"fixed": {"wat": 1}}, r"`fixed` .* must have fields of items alone"),
        ({"task": "wrong"}, {"fixed": {"task": "x"}}, r"must not both have 'task'"),
        ({}, {"turns": "wat"}, r"`turns` of .* must be a column"),
        ({}, {"images": 3}, r"must be a path"),
    ],
)
def test_a_wrong_mapping_is_one_sentence(columns, more, message, jpeg, tmp_path):
    pq.write_table(pa.Table.from_pylist(rows(jpeg, 1)), tmp_path / "d.parquet")
    with pytest.raises(UsageError, match=message):
        read_items(mapping(tmp_path, "d.parquet", columns, **more))


def test_a_mapping_to_no_file_or_no_yaml_is_said(tmp_path):
    with pytest.raises(UsageError, match="`file` of .* 0 files"):
        read_items(mapping(tmp_path, "none.parquet"))
    (tmp_path / "x.yaml").write_text("a: [")
    with pytest.raises(UsageError, match="mapping in YAML"):
        read_items(tmp_path / "x.yaml")
    (tmp_path / "y.yaml").write_text("- a")
    with pytest.raises(UsageError, match="must be a mapping with file"):
        read_items(tmp_path / "y.yaml")
    (tmp_path / "d.arrow").write_bytes(b"no arrow")
    with pytest.raises(DataError, match="must be an Arrow file"):
        read_items(tmp_path / "d.arrow")


def vqa(folder: Path) -> Path:
    """Files in the form that VQAv2 is published in."""
    asked = {"question_id": 42000, "image_id": 42, "question": "What color is it?"}
    given = [
        {"answer": answer, "answer_confidence": "yes", "answer_id": n}
        for n, answer in enumerate(["red"] * 6 + ["dark red"] * 3 + ["pink"])
    ]
    told = {
        "question_id": 42000,
        "image_id": 42,
        "multiple_choice_answer": "red",
        "answer_type": "other",
        "answers": given,
    }
    source = folder / "v2_OpenEnded_mscoco_val2014_questions.json"
    source.write_text(json.dumps({"data_subtype": "val2014", "questions": [asked, {**asked, "question_id": 1}]}))
    (folder / "v2_mscoco_val2014_annotations.json").write_text(json.dumps({"annotations": [told]}))
    return source


def test_vqas_files_are_read_together(jpeg, tmp_path):
    source = vqa(tmp_path)
    (tmp_path / "val2014").mkdir()
    (tmp_path / "val2014" / "COCO_val2014_000000000042.jpg").write_bytes(jpeg())
    items = read_items(source, images=tmp_path)
    (item,) = items
    assert (item.id, item.task, item.answer, item.aliases_image) == ("42000", "other", "red", ("dark red",))
    assert item.image is not None
    assert item.image.open().size == (8, 6)
    assert "annotation of question 1" in items.skipped[0].reason
    assert len(read_items(source)) == 1
    (tmp_path / "val2014" / "COCO_val2014_000000000042.jpg").unlink()
    with pytest.raises(MissingImageError, match="COCO_val2014_000000000042"):
        read_items(source, images=tmp_path)
    (tmp_path / "v2_mscoco_val2014_annotations.json").unlink()
    with pytest.raises(DataError, match="annotations must lie beside it as v2_mscoco_val2014_annotations.json"):
        read_items(source)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"context": "misleading.txet"}, "'misleading' has text, style; got 'misleading.txet'; did you mean 'text'?"),
        ({"context": "question.text"}, "'question' has nothing inside; got 'question.text'"),
        ({"answer_text": None}, "`columns` of {path} must have answer_text"),
        ({"question": None, "context": None}, "`columns` of {path} must have question and context"),
    ],
)
def test_a_way_that_leads_nowhere_is_told_as_the_mapping_has_it(change, said, jpeg, tmp_path):
    pq.write_table(pa.Table.from_pylist(rows(jpeg)), tmp_path / "d.parquet")
    columns = {name: way for name, way in (COLUMNS | change).items() if way is not None}
    path = mapping(tmp_path, "d.parquet", columns)
    with pytest.raises(UsageError) as caught:
        read_items(path)
    assert said.format(path=path) in str(caught.value)


def test_a_value_that_some_rows_lack_is_no_misspelling(tmp_path):
    held = [
        {"q": "What?", "c": "It is a dog.", "a": {"image": "cat"}, "b": "dog"},
        {"q": "What?", "c": "It is a dog.", "a": {"image": "cat", "more": ["puss"]}, "b": "dog"},
        {"q": "What?", "c": "It is a dog.", "a": None, "b": "dog"},
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(map(json.dumps, held)))
    columns = {
        "question": "q",
        "context": "c",
        "answer_image": "a.image",
        "aliases_image": "a.more",
        "answer_text": "b",
    }
    items = read_items(mapping(tmp_path, "d.jsonl", columns))
    assert [item.aliases_image for item in items] == [(), ("puss",)]
    assert "columns have other names" not in items.skipped[0].reason


def test_a_misspelt_file_is_told_what_lies_beside_it(tmp_path):
    (tmp_path / "eval_set_v2.jsonl").write_text("{}")
    with pytest.raises(UsageError, match=r"did you mean '.*eval_set_v2\.jsonl'\?"):
        read_items(mapping(tmp_path, "eval_set.jsonl"))
