"""The page of evidence written again from its own data, with the runs that are at hand."""

import json
from pathlib import Path

import pytest
from benchmarks.evidence.__main__ import write_page
from benchmarks.evidence.sources import FILES
from benchmarks.evidence.tables import PAPER, Shaped, joined_tables

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


def test_a_run_that_is_read_again_takes_the_place_of_its_old_rows_and_figures(study, tmp_path, monkeypatch):
    drawn: list[str] = []
    monkeypatch.setattr(
        "benchmarks.evidence.__main__._saved", lambda _figure, _home, name: drawn.append(name) or f"{name}.png"
    )
    monkeypatch.setattr("benchmarks.evidence.__main__.intervals", lambda _answer: None)
    first = write_page([study.path], tmp_path / "first" / "evidence.md")
    data = first.with_suffix(".json")
    before, names = json.loads(data.read_text()), list(drawn)
    stale = json.loads(data.read_text())
    for old_table in stale["tables"]:
        old_table["rows"] = [[*row[:-1], "stale"] for row in old_table["rows"]]
    data.write_text(json.dumps(stale))
    again = write_page([study.path, data], tmp_path / "second" / "evidence.md")
    found = json.loads(again.with_suffix(".json").read_text())
    ours = [[row for row in t["rows"] if row[0] == study.path.name] for t in found["tables"]]
    assert ours == [[row for row in t["rows"] if row[0] == study.path.name] for t in before["tables"]]
    assert found["figures"] == before["figures"]
    assert drawn == names * 2


def test_a_models_rows_in_a_table_stay_while_their_run_is_not_read_again():
    columns = ["run", "model", "all"]
    old = Shaped("Table 1", "", columns, [["a", "x", "1"], ["b", "y", "2"], [PAPER, "z", "3"]])
    new = Shaped(
        "Table 1",
        "",
        ["run", "model", "color", "all"],
        [["c", "x", "-", "4"], ["c", "w", "-", "7"], ["b", "y", "6", "5"]],
    )
    (joined,) = joined_tables([old], [new], {"b", "c"})
    assert joined.columns == ["run", "model", "color", "all"]
    assert joined.rows == [["a", "x", "", "1"], ["b", "y", "6", "5"], ["c", "w", "-", "7"], [PAPER, "z", "", "3"]]


def test_what_is_no_page_cannot_be_kept(tmp_path):
    wrong = tmp_path / "evidence.json"
    wrong.write_text("[]")
    with pytest.raises(UsageError, match="must be the data of an earlier page"):
        write_page([wrong], tmp_path / "evidence.md")
