"""The page of evidence written again from its own data, with the runs that are at hand."""

import json
from pathlib import Path

import pytest
from benchmarks.evidence.__main__ import write_page
from benchmarks.evidence.sources import FILES

from trimtab.errors import UsageError

REPOSITORY = Path(__file__).parents[2]


def test_what_is_not_read_again_is_kept(study, tmp_path, monkeypatch):
    monkeypatch.setattr("benchmarks.evidence.__main__._saved", lambda _figure, _home, name: f"{name}.png")
    monkeypatch.setattr("benchmarks.evidence.__main__.intervals", lambda _answer: None)
    files = [REPOSITORY / "docs" / name for name in FILES]
    first = write_page([study.path, *files], tmp_path / "first" / "evidence.md")
    data = first.with_suffix(".json")
    again = write_page([files[0], data], tmp_path / "second" / "evidence.md")
    found, before = json.loads(again.with_suffix(".json").read_text()), json.loads(data.read_text())
    assert {run["name"] for run in found["runs"]} == {run["name"] for run in before["runs"]}
    assert (found["tables"], found["figures"]) == (before["tables"], before["figures"])
    assert len(before["figures"]) >= 4
    for old, new in zip(before["rows"], found["rows"], strict=True):
        assert sorted(map(json.dumps, old.pop("cases"))) == sorted(map(json.dumps, new.pop("cases")))
        assert old == new
    whole = write_page([data], tmp_path / "third" / "evidence.md")
    lines = [page.read_text().splitlines() for page in (first, whole)]
    assert [pair for pair in zip(*lines, strict=True) if pair[0] != pair[1]] == [
        (lines[0][4], lines[1][4])
    ]  # the command


def test_what_is_no_page_cannot_be_kept(tmp_path):
    wrong = tmp_path / "evidence.json"
    wrong.write_text("[]")
    with pytest.raises(UsageError, match="must be the data of an earlier page"):
        write_page([wrong], tmp_path / "evidence.md")
