"""Runs of the command line: places that cannot be written to, versions, locks, names, reports of every kind."""

import json
import re
import threading
from functools import partial
from pathlib import Path

import pytest
from tests.small_study import STUDY

import trimtab.studies
from trimtab.locks import FolderLock
from trimtab.studies.kit import provenance


@pytest.fixture
def verbs(data: Path, tmp_path: Path) -> dict[str, list]:
    """Command lines that write to the folder given with ``--out``."""
    (tmp_path / "study.yaml").write_text(STUDY.format(model="tiny", data="items.jsonl"))
    return {
        "study": ["study", "study.yaml"],
        "measure": ["measure", "tiny", data, "--method", "attention"],
        "fit": ["fit", "mean", "tiny", data, "--target", "image"],
        "circuits": ["circuits", "tiny", data],
        "interference": ["interference", "tiny", data, "--relevant", "image"],
        "harden": ["harden", "tiny", data, "--relevant", "image", "--steps", "1"],
    }


def refused(result, *words: str) -> None:
    assert result.exit_code in (1, 2), result.output
    message = result.stderr.strip().splitlines()[-1]
    assert message.startswith("Error: `--out` must be")
    assert all(word in message for word in words), message
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("verb", ["study", "measure", "fit", "circuits", "interference", "harden"])
def test_a_place_that_cannot_be_written_to_is_refused_before_work(invoke, verbs, monkeypatch, tmp_path, verb):
    import trimtab

    monkeypatch.setattr(trimtab, "load", lambda *_a, **_k: pytest.fail("a model was loaded"))
    monkeypatch.setattr(trimtab, "read_items", lambda *_a, **_k: pytest.fail("items were read"))
    (tmp_path / "file").write_text("mine")
    refused(invoke(*verbs[verb], "--out", "file/inside"), "Not a directory")
    refused(invoke(*verbs[verb], "--out", "x" * 300), "too long")
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "README.md").write_text("years of work")
    refused(invoke(*verbs[verb], "--out", "thesis"), "choose another")
    assert [p.name for p in (tmp_path / "thesis").iterdir()] == ["README.md"]


@pytest.mark.parametrize("verb", ["study", "circuits"])
def test_items_left_out_are_counted_each_time_a_run_is_begun(invoke, verbs, data, tmp_path, monkeypatch, model, verb):
    monkeypatch.setattr(trimtab.studies, "run_study", partial(trimtab.studies.run_study, load=lambda _name: model))
    own = [json.loads(line) for line in data.read_text().splitlines()][:6]
    splits = ("train", "validation", "test")
    rows = [{**row, "id": f"{split}-{k}", "split": split} for split in splits for k, row in enumerate(own)]
    for row in rows[::6]:
        row["context"] += " one" * 2000
    (tmp_path / "items.jsonl").write_text("\n".join(map(json.dumps, rows)))
    circuits = ["circuits", "tiny", "items.jsonl", "--flow-items", "1", "--window", "1"]
    command = circuits if verb == "circuits" else verbs[verb]
    for _ in range(2):
        result = invoke(*command, "--out", "run")
        assert result.exit_code == 0, result.output
        assert re.search(r"^Skipped \d items of items.jsonl\.$", result.stderr, re.MULTILINE)


def test_a_measurement_of_another_version_is_refused(invoke, verbs, tmp_path, monkeypatch):
    assert invoke(*verbs["measure"], "--out", "run").exit_code == 0
    steps = json.loads((tmp_path / "run" / "provenance.json").read_text())["steps"]
    assert all(notes["made_with"]["trimtab"] for notes in steps.values())
    known = provenance.version
    monkeypatch.setattr(provenance, "version", lambda name: "9.9.9" if name == "torch" else known(name))
    result = invoke(*verbs["measure"], "--out", "run")
    assert result.exit_code == 1
    assert "this is torch 9.9.9; choose another folder" in result.stderr


def test_a_run_that_is_in_use_is_refused(invoke, verbs, tmp_path):
    held, done = threading.Event(), threading.Event()
    (tmp_path / "run").mkdir()
    for name in ("config.yaml", "harden.json"):
        (tmp_path / "run" / name).write_text("{}")

    def hold() -> None:
        with FolderLock(tmp_path / "run"):
            held.set()
            done.wait()

    other = threading.Thread(target=hold)
    other.start()
    held.wait()
    try:
        for verb in ("measure", "harden"):
            result = invoke(*verbs[verb], "--out", "run")
            assert result.exit_code == 1, result.output
            assert "in use by another thread of this process" in result.stderr
    finally:
        done.set()
        other.join()


def test_a_report_of_a_measurement_is_written_again(invoke, verbs, tmp_path):
    assert invoke(*verbs["measure"], "--out", "run").exit_code == 0
    before = {name: (tmp_path / "run" / name).read_bytes() for name in ("report.html", "summary.json")}
    (tmp_path / "run" / "report.html").unlink()
    result = invoke("report", "run")
    assert result.exit_code == 0, result.output
    assert {name: (tmp_path / "run" / name).read_bytes() for name in before} == before


def test_a_report_of_a_diagnosis_is_written_again(invoke, data, tmp_path):
    arguments = ["interference", "tiny", data, "--relevant", "image", "--condition", "noise_image", "--no-spectrum"]
    result = invoke(*arguments, "--condition", "misleading_text", "--scoring", "generation", "--out", "run")
    if result.exit_code:
        pytest.skip(result.stderr)  # items without options cannot be asked
    (tmp_path / "run" / "report.html").unlink()
    assert invoke("report", "run").exit_code == 0
    assert (tmp_path / "run" / "report.html").is_file()


def test_a_hardened_model_has_no_report_and_says_where_its_numbers_are(invoke, tmp_path):
    (tmp_path / "hardened").mkdir()
    (tmp_path / "hardened" / "harden.json").write_text("{}")
    result = invoke("report", "hardened")
    assert result.exit_code == 2
    assert "hardened is a hardened model; what it can do is in its README.md." in result.stderr


@pytest.mark.parametrize(
    "summary",
    ["{}", "[]", "null", "{", "[" * 100_000, '{"schema_version": 1}', '{"paired": []}', '{"ratios": []}',
     '{"study": "circuits", "schema_version": 1}', '{"study": "interference", "schema_version": 2}',
     '{"study": "interference ablation"}', '{"study": ["circuits"]}', '{"paired": [], "schema_version": 3}'],
)  # fmt: skip
def test_a_report_on_junk_is_one_sentence(invoke, tmp_path, summary):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "summary.json").write_text(summary)
    (tmp_path / "run" / "provenance.json").write_text("{}")
    result = invoke("report", "run")
    assert result.exit_code in (1, 2)
    assert result.stderr.startswith("Error: `run` must")
    assert len(result.stderr.strip().splitlines()) == 1


def test_two_artifacts_of_one_method_are_compared_under_names_of_their_own(invoke, verbs, data, tmp_path):
    for seed in (1, 2):
        fitting = ["fit", "random", "tiny", data, "--target", "image", "--seed", seed, "--out", f"r{seed}"]
        assert invoke(*fitting).exit_code == 0
    arguments = ["evaluate", "tiny", data, "--artifact", "r1", "--artifact", "r2", "--json"]

    def methods(*more: str) -> list[str]:
        result = invoke(*arguments, *more)
        assert result.exit_code == 0, result.output
        return list(dict.fromkeys(row["method"] for row in json.loads(result.stdout)["rates"]))

    assert {"r1", "r2"} < set(methods())
    assert {"one", "two"} < set(methods("--label", "one", "--label", "two"))
    for labels in (["one"], ["one", "one"], ["one", "a\nb"]):
        result = invoke(*arguments, *(word for label in labels for word in ("--label", label)))
        assert result.exit_code == 2
        assert "`labels` must" in result.stderr


def test_evaluating_on_the_items_fitted_on_is_said(invoke, verbs, data, tmp_path, caplog):
    assert invoke(*verbs["fit"], "--out", "a").exit_code == 0
    assert invoke("evaluate", "tiny", data, "--artifact", "a").exit_code == 0
    assert "mean toward the image was fitted on 6 of these 6 items" in caplog.text
    caplog.clear()
    rows = [json.loads(line) for line in data.read_text().splitlines()]
    renamed = [json.dumps({**row, "id": f"new-{row['id']}"}) for row in rows]
    (tmp_path / "other.jsonl").write_text("\n".join(renamed))
    assert invoke("evaluate", "tiny", tmp_path / "other.jsonl", "--artifact", "a").exit_code == 0
    assert "fitted on" not in caplog.text


def test_a_missing_artifact_is_named_before_the_model_is_loaded(invoke, data, monkeypatch):
    import trimtab

    monkeypatch.setattr(trimtab, "load", lambda *_a, **_k: pytest.fail("a model was loaded"))
    for arguments in (["evaluate", "tiny", data], ["generate", "tiny", "--question", "What?"]):
        result = invoke(*arguments, "--artifact", "nowhere")
        assert result.exit_code == 1
        assert "nowhere is not there" in result.stderr
        assert "JSON" not in result.stderr
