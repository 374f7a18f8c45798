import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from pandas import DataFrame

from trimtab.errors import RunFolderError, UsageError
from trimtab.studies import RunFolder, StepResult
from trimtab.studies.kit import provenance


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

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RunFolderError, match="free some space"):
        folder.write("summary.json", "new")
    assert (tmp_path / "run" / "summary.json").read_text() == "old"


def test_a_broken_step_is_named(tmp_path):
    folder = RunFolder(tmp_path / "run", {"seed": 0})
    folder.step("one", lambda: result(1))
    (tmp_path / "run" / "steps" / "one.parquet").write_bytes(b"not parquet")
    with pytest.raises(RunFolderError, match="delete it to compute it again"):
        folder.step("one", lambda: result(1))


def test_steps_of_another_version_are_refused_in_one_sentence(tmp_path, monkeypatch):
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder:
        folder.step("one", lambda: result(1))
        made_with = folder.steps()["one"]["made_with"]
    assert set(made_with) == {*provenance.DECISIVE, "source"}
    known = provenance.version
    monkeypatch.setattr(provenance, "version", lambda name: "9.9.9" if name == "trimtab" else known(name))
    with pytest.raises(RunFolderError, match=r"computed with trimtab 0.*this is trimtab 9\.9\.9; choose another"):
        RunFolder(tmp_path / "run", {"seed": 0})


def test_steps_of_changed_source_are_refused(tmp_path, monkeypatch):
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder:
        folder.step("one", lambda: result(1))
    monkeypatch.setattr(provenance, "source_digest", lambda: "changed")
    with pytest.raises(RunFolderError, match="this is source changed"):
        RunFolder(tmp_path / "run", {"seed": 0})


def test_a_step_that_is_another_one_is_refused(tmp_path):
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder:
        for name in ("one", "two"):
            folder.step(name, lambda: result(1))
        steps = tmp_path / "run" / "steps"
        (steps / "two.parquet").write_bytes((steps / "one.parquet").read_bytes())
        with pytest.raises(RunFolderError, match="must be 'two'.*it is 'one'"):
            folder.step("two", lambda: result(1))


@pytest.mark.parametrize("name", ["../escape", "a/../../b", "/etc/x", "", "a//b", "nul\0", "a\\b"])
def test_a_step_never_leaves_the_folder(tmp_path, name):
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder, pytest.raises(UsageError, match="`name` of a step"):
        folder.step(name, lambda: result(1))


def test_a_folder_in_use_names_who_uses_it(tmp_path):
    code = f"""
import sys
from trimtab.studies import RunFolder
folder = RunFolder({str(tmp_path / "run")!r}, {{"seed": 0}})
print("ready", flush=True)
sys.stdin.read()
"""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], **pipes) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n"
        with pytest.raises(RunFolderError, match=f"in use by process {other.pid} on .*choose another folder"):
            RunFolder(tmp_path / "run", {"seed": 0})
        other.kill()
    assert json.loads((tmp_path / "run" / ".lock").read_text())["pid"] == other.pid
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder:  # what a killed process held is free
        folder.step("one", lambda: result(1))
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["config.yaml", "steps"]


def test_a_run_killed_at_its_first_write_can_begin_again(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config.yaml.elsewhere.1.0123abcd.part").write_text("half")
    with RunFolder(tmp_path / "run", {"seed": 0}) as folder:
        assert folder.steps() == {}


def test_another_configuration_is_named_by_the_field_that_differs(tmp_path):
    RunFolder(tmp_path / "run", {"plan": {"seed": 0, "sizes": {"train": 4, "rate": float("nan")}}}).close()
    same = {"plan": {"seed": 0, "sizes": {"train": 4, "rate": float("nan")}}}
    RunFolder(tmp_path / "run", same).close()
    other = {"plan": {"seed": 0, "sizes": {"train": 5, "rate": float("nan")}}}
    with pytest.raises(RunFolderError, match=r"has plan\.sizes\.train=4, this run has plan\.sizes\.train=5"):
        RunFolder(tmp_path / "run", other)
