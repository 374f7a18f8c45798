import errno
from pathlib import Path

import pytest
from pandas import DataFrame

from trimtab.errors import RunFolderError
from trimtab.study import RunFolder, StepResult
from trimtab.study import run_folder as module


def result(value: int) -> StepResult:
    return StepResult(DataFrame({"a": [value]}), {"skipped": 0})


def test_a_finished_step_is_never_computed_again(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    first = folder.step("m/one", lambda: result(1))
    again = RunFolder(tmp_path / "run", {"seed": 0}).step("m/one", lambda: pytest.fail("computed again"))
    assert again.table.equals(first.table)
    assert again.notes == first.notes
    assert again.notes["seconds"] >= 0
    assert list(folder.steps()) == ["m/one"]


def test_a_killed_step_leaves_nothing(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 0})

    def killed() -> StepResult:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.step("one", killed)
    assert folder.steps() == {}
    assert folder.step("one", lambda: result(2)).table["a"].tolist() == [2]


def test_another_configuration_is_refused(tmp_path):
    RunFolder(tmp_path / "run", {"study": "demo", "seed": 0})
    with pytest.raises(RunFolderError, match=r"seed=0.*seed=1.*choose another folder"):
        RunFolder(tmp_path / "run", {"study": "demo", "seed": 1})


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunFolderError, match="choose another folder"):
        RunFolder(tmp_path, {"seed": 0})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_broken_configuration_is_named(tmp_path):
    (tmp_path / "config.yaml").write_text("{")
    with pytest.raises(RunFolderError, match=r"readable config\.yaml"):
        RunFolder(tmp_path, {"seed": 0})


def test_a_full_disk_is_one_clear_error_and_finished_steps_survive(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    folder.step("one", lambda: result(1))

    def full(table: DataFrame, path: Path, **_: object) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DataFrame, "to_parquet", full)
        with pytest.raises(RunFolderError, match="No space left on device") as caught:
            folder.step("two", lambda: result(2))
    assert str(caught.value).count("\n") == 0
    assert sorted(p.name for p in (tmp_path / "run" / "steps").iterdir()) == ["one.parquet"]
    assert folder.step("two", lambda: result(2)).table["a"].tolist() == [2]


def test_a_full_disk_leaves_the_earlier_file(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    folder.write("summary.json", "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "_write_bytes", full)
    with pytest.raises(RunFolderError):
        folder.write("summary.json", "new")
    assert (tmp_path / "run" / "summary.json").read_text() == "old"


def test_a_broken_step_is_named(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    folder.step("one", lambda: result(1))
    (tmp_path / "run" / "steps" / "one.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunFolderError, match="delete it to compute it again"):
        folder.step("one", lambda: result(1))
