"""Rows and files as people have them: what is not there is not made up, and nothing is lost without a word."""

import json
import logging
from collections import Counter
from pathlib import Path

import pytest
from tests.items.test_mapped import mapping

from trimtab.errors import DataError, UsageError
from trimtab.items import Item, files_of, read_items, split_items, write_items

PLAIN = {"question": "question", "context": "context", "answer_image": "seen", "answer_text": "said"}


def held(number: int, **more: object) -> dict:
    own = {"question": "What color is it?", "context": f"It is black, {number}.", "seen": "red", "said": "black"}
    return own | more


def lines(folder: Path, *rows: dict) -> Path:
    (folder / "d.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder / "d.jsonl"


def item(number: int, task: str = "color", **more: object) -> Item:
    own = {"context": "It is black.", "answer_image": "red", "answer_text": "black"}
    return Item(str(number), task, "What color is it?", **own | more)  # pyright: ignore


@pytest.mark.parametrize("missing", [float("nan"), float("inf")])
def test_what_is_no_number_is_missing(missing: float, tmp_path: Path):
    lines(tmp_path, held(0), held(1, said=missing), held(2, context=missing))
    found = read_items(mapping(tmp_path, "d.jsonl", PLAIN))
    assert [one.context for one in found] == ["It is black, 0."]
    assert ["field 'answer_text' is missing" in one.reason for one in found.skipped] == [True, False]
    assert "field 'context' is missing" in found.skipped[1].reason


def test_a_column_that_comes_late_is_there(tmp_path: Path):
    columns = PLAIN | {"tags": "labels"}
    lines(tmp_path, *(held(number) for number in range(60)), held(60, labels=["late"]))
    assert read_items(mapping(tmp_path, "d.jsonl", columns))[-1].tags == ("late",)
    lines(tmp_path, *(held(number) for number in range(61)))
    with pytest.raises(UsageError, match=r"`columns.tags` of .* must be a column of d.jsonl \(question"):
        read_items(mapping(tmp_path, "d.jsonl", columns))


def test_a_split_is_named_once(tmp_path: Path):
    path = write_items([item(0, split="train"), item(1, split="test")], tmp_path / "d.jsonl")
    assert [one.id for one in read_items(f"{path}:train", split="train")] == ["0"]
    with pytest.raises(UsageError, match="split must be given once; it is 'test'"):
        read_items(f"{path}:train", split="test")


def test_items_of_no_split_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    path = write_items([item(0, split="train"), item(1), item(2)], tmp_path / "d.jsonl")
    with caplog.at_level(logging.WARNING):
        assert len(read_items(f"{path}:train")) == 1
    assert f"2 of the 3 items of {path} name no split, and are in none." in caplog.messages


def test_no_task_is_called_as_all_of_them_are(write_rows, row):
    with pytest.raises(UsageError, match="`task` of item '0' must not be 'all'"):
        item(0, "all")
    found = read_items(write_rows(row | {"task": "all"}, row | {"id": "u2"}))
    assert ["must not be 'all'" in one.reason for one in found.skipped] == [True]


def test_answers_that_count_as_the_same_are_both_shown(write_rows, row):
    same = {"answer_image": "$5", "answer_text": "\u20ac5"}
    found = read_items(write_rows(row | same | {"id": "u2"}, row))
    assert "'$5' and '\u20ac5' count as the same" in found.skipped[0].reason
    with pytest.raises(UsageError, match=r"'\$5' and '\u20ac5' count as the same"):
        item(0, **same)


@pytest.mark.parametrize(
    ("items", "reason"),
    [
        ([item(0), item(0)], "must have an id each; two have '0'"),
        ([item(0), Item(" 0", "t", "Q?", answer_image="a", answer_text="b")], "two have '0'"),
        ([item(0, split="")], "must be one that read_items takes; field 'split' must not be empty"),
        ([item(0, context="\ud800")], "must be Unicode text"),
        (
            [Item("0", "t", "Q?", context="C.", answer_text="a", choices=("b", "c"), relevant="text")],
            "field 'choices' must hold the answer",
        ),
    ],
)
def test_what_could_not_be_read_again_is_not_written(items: list[Item], reason: str, tmp_path: Path):
    with pytest.raises(DataError, match=reason):
        write_items(items, tmp_path / "d.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [1, 3])
def test_small_tasks_are_split_in_the_shares_that_were_asked_for(size: int):
    items = [item(number, f"task {number // size}") for number in range(300)]
    made = split_items(items, {"train": 0.6, "validation": 0.2, "test": 0.2})
    assert [len(part) for part in made.values()] == pytest.approx([180, 60, 60], abs=1)


def test_small_tasks_beside_a_large_one_do_not_shift_it():
    items = [item(number, "large") for number in range(100)] + [item(100 + k, f"small {k}") for k in range(50)]
    made = split_items(items, {"train": 0.6, "validation": 0.2, "test": 0.2})
    assert {name: Counter(one.task for one in part)["large"] for name, part in made.items()} == {
        "train": 60,
        "validation": 20,
        "test": 20,
    }
    assert [len(part) for part in made.values()] == pytest.approx([90, 30, 30], abs=1)


@pytest.mark.parametrize("fractions", [[0.5, 0.5], {"train": "0.5", "test": 0.5}])
def test_shares_are_numbers_by_name(fractions: object):
    with pytest.raises(UsageError, match="fractions of split_items must be shares by name"):
        split_items([item(0), item(1)], fractions)  # pyright: ignore[reportArgumentType]


def test_the_files_of_a_source_are_known(tmp_path: Path):
    table = lines(tmp_path, held(0))
    mapped = mapping(tmp_path, "d.jsonl", PLAIN)
    assert files_of(f"{table}:train") == files_of(str(table)) == [table]
    assert files_of(f"{mapped}:test") == [mapped, table]
    assert files_of("pocket-mc2:test") == files_of(str(tmp_path / "none.jsonl")) == []
