"""A verb never replaces the file that it reads."""

from pathlib import Path

import pytest
from tests.conflicts import make_items

from trimtab.items import read_items, write_items


@pytest.mark.parametrize("verb", ["split", "export"])
def test_items_are_not_written_over_themselves(verb: str, invoke, data: Path):
    before = data.read_bytes()
    result = invoke("data", verb, data, data)
    assert result.exit_code == 2
    assert "`PATH` must be another file than the items are read from" in result.stderr
    assert data.read_bytes() == before


def test_answers_are_not_written_over_the_items(invoke, tmp_path: Path):
    path = write_items(make_items("test"), tmp_path / "own.parquet")
    before = path.read_bytes()
    for verb in ("evaluate", "measure"):
        result = invoke(verb, "tiny", f"{path}:test", "--out", path)
        assert (result.exit_code, "must be another file" in result.stderr) == (2, True), result.output
    assert path.read_bytes() == before


def test_splits_that_a_file_names_are_kept_unless_told_otherwise(invoke, data: Path, tmp_path: Path):
    named = write_items([item.replace(split="test") for item in read_items(data)], tmp_path / "named.jsonl")
    result = invoke("data", "split", named, "new.jsonl")
    assert result.exit_code == 2
    assert f"has 6 test; use them as {named}:test, or give --anew" in " ".join(result.stderr.split())
    assert invoke("data", "split", named, "new.jsonl", "--anew").exit_code == 0
    assert {item.split for item in read_items(tmp_path / "new.jsonl")} == {"train", "validation", "test"}
