"""``trimtab measure``: methods, options, run folder and traces."""

import json
from pathlib import Path

import pytest
from pandas import read_parquet
from tests.contribution.items import trio_items

from trimtab.contribution import METHODS, Contribution, Contributions
from trimtab.contribution.scores import Scores
from trimtab.items import write_items
from trimtab.testing import tiny_trio


def answer(result) -> dict:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("method", METHODS)
def test_every_method(invoke, data, method: str):
    found = answer(invoke("measure", "tiny", data, "--limit", 2, "--method", method, "--json"))
    assert found["method"] == method
    assert all(0 <= item["ratio"] <= 1 for item in found["items"])


def test_what_is_measured_if_nothing_is_said_and_what_is_said_of_the_score(invoke, data):
    ask = ("measure", "tiny", data, "--limit", 2)
    assert answer(invoke(*ask, "--json"))["method"] == "shapley"
    shown = invoke(*ask).stdout
    assert "synergy" in shown
    assert "hardly tells" not in shown
    assert "hardly tells which" in invoke(*ask, "--method", "mcs").stdout.replace("\n", " ")


def test_options_of_the_method(invoke, data):
    ask = ("measure", "tiny", data, "--limit", 2, "--json")
    found = answer(invoke(*ask, "--paper", "--option", "sigmas=[0.1]", "--option", "draws=1"))
    assert found["method"] == "mcs"
    assert (found["options"]["sigmas"], found["options"]["draws"]) == ([0.1], 1)
    assert found["options"]["divergence"] == "ce"
    limit = answer(invoke(*ask, "--method", "mcs", "--option", "estimator=limit", "--option", "divergence=kl"))
    assert limit["ratios"] != found["ratios"]
    for bad in (("--option", "sigma=1"), ("--option", "draws"), ("--method", "guess"), ("--option", "draws=many")):
        refused = invoke(*ask, *bad)
        assert refused.exit_code == 2
        assert any(name in refused.stderr for name in ("`--option`", "`--method`", "`draws`"))
    assert invoke(*ask, "--paper", "--method", "shapley").exit_code == 2


def test_a_folder_holds_rows_and_report_and_is_not_measured_twice(invoke, data, tmp_path: Path, monkeypatch):
    ask = ("measure", "tiny", data, "--out", "run")
    shown = invoke(*ask)
    assert shown.exit_code == 0, shown.output
    run = tmp_path / "run"
    rows = read_parquet(run / "items.parquet")
    assert len(rows) == 6
    assert "data:image/png" in (run / "report.html").read_text()
    assert json.loads((run / "summary.json").read_text())["ratios"][-1]["n"] == 6

    def refuse(*_args, **_kwargs):
        raise AssertionError("measured again")

    monkeypatch.setattr("trimtab.studies.measurement.study.measure", refuse)
    assert answer(invoke(*ask, "--json"))["summary"]["ratios"][-1]["ratio"] == pytest.approx(rows["ratio"].mean())
    refused = invoke(*ask, "--seed", 4)
    assert refused.exit_code == 1
    assert "choose another folder" in refused.stderr


def test_trace(invoke, data, tmp_path: Path):
    found = answer(invoke("measure", "tiny", data, "--trace", "test-1", "--json", "--out", "t.parquet"))
    assert [s["step"] for s in found["steps"]] == list(range(len(found["steps"])))
    assert len(read_parquet(tmp_path / "t.parquet")) == len(found["steps"])
    assert invoke("measure", "tiny", data, "--trace", "test-1", "--out", "t.png").exit_code == 0
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    assert invoke("measure", "tiny", data, "--trace", "nobody").exit_code == 2
    assert invoke("measure", "tiny", data, "--trace", "test-1", "--method", "ablation").exit_code == 2
    by_noise = answer(invoke("measure", "tiny", data, "--trace", "test-1", "--json", "--method", "mcs"))
    assert [s["token"] for s in by_noise["steps"]] == [s["token"] for s in found["steps"]]
    assert by_noise["steps"] != found["steps"]


def test_items_need_not_be_in_conflict(invoke, data, tmp_path: Path):
    """Rows with one right answer and no context: the score can set the picture against the question."""
    rows = [json.loads(line) for line in data.read_text().splitlines()][:2]
    plain = [{k: row[k] for k in ("id", "task", "question", "image")} for row in rows]
    lines = [json.dumps({**row, "relevant": "image", "answer": "red"}) for row in plain]
    (tmp_path / "plain.jsonl").write_text("\n".join(lines) + "\n")
    refused = invoke("measure", "tiny", "plain.jsonl")
    assert refused.exit_code == 2
    assert "no context" in refused.stderr
    assert "method mcs" in refused.stderr
    found = answer(invoke("measure", "tiny", "plain.jsonl", "--method", "mcs", "--json"))
    assert [0 < item["ratio"] < 1 for item in found["items"]] == [True, True]


def test_what_is_said_names_the_modalities_of_the_items(invoke, tmp_path: Path, monkeypatch):
    trio = tiny_trio(check=False)
    monkeypatch.setattr("trimtab.load", lambda *_name, **_options: trio)
    items = [item.replace(image=None, answer_image="") for item in trio_items(2)]
    data = write_items(items, tmp_path / "sounds.jsonl")
    shown = invoke("measure", "tiny", data, "--method", "mcs")
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.stdout.split())
    assert "The shares say how sensitive the answer is to text and audio. On the pocket models this hardly" in said
    assert "image" not in said
    traced = invoke("measure", "tiny", data, "--trace", items[0].id)
    assert traced.exit_code == 0, traced.output
    assert "share of audio" in " ".join(traced.stdout.split())


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch) -> Path:
    """Items of image, text and audio, of image and audio, of image and text, and one that has nothing to compare."""
    trio = tiny_trio(check=False)
    monkeypatch.setattr("trimtab.load", lambda *_name, **_options: trio)
    every, heard, read, alone = (item.replace(id=f"{place}") for place, item in enumerate(trio_items(4)))
    heard = heard.replace(context="", answer_text="")
    read = read.replace(audio=None, answer_audio="")
    alone = alone.replace(context="", answer_text="", audio=None, answer_audio="", relevant=("image",))
    return write_items([every, heard, read, alone], tmp_path / "mixed.jsonl")


@pytest.mark.parametrize("out", [(), ("--out", "run")])
def test_items_that_show_different_modalities_are_averaged_apart(invoke, mixed: Path, out, tmp_path: Path):
    shown = invoke("measure", "tiny", mixed, *out)
    assert shown.exit_code == 0, shown.output
    said = " ".join(shown.stdout.split())
    assert "Visual ratio of tiny-trio, items of image and text:" in said
    for modalities, of in (("image, text and audio", "text"), ("image and audio", "audio")):
        assert f"Share of the {of} of tiny-trio, items of {modalities}:" in said
    found = answer(invoke("measure", "tiny", mixed, *out, "--json"))
    summary = found["summary"] if out else found
    assert [(r["task"], r["n"]) for r in summary["ratios"] if r["task"] == "all"] == [("all", 1)] * 3
    assert summary["skipped"] == 1
    if out:
        page = (tmp_path / "run" / "report.html").read_text()
        assert all(
            f"Items of {each}" in page for each in ("image, text and audio", "image and audio", "image and text")
        )


def test_where_no_item_has_a_share_that_is_said(invoke, data, monkeypatch):
    def unreached(_model, items, **_kwargs):
        return Contributions([Contribution(items[0].id, "color", *Scores.of({"image": 0.0, "text": 0.0}))])

    monkeypatch.setattr("trimtab.contribution.measure", unreached)
    shown = invoke("measure", "tiny", data)
    assert shown.exit_code == 0, shown.output
    assert "No modality reaches the answer of any item" in shown.stdout


def test_where_no_item_can_be_measured_a_folder_says_so_too(invoke, mixed: Path):
    rows = [line for line in mixed.read_text().splitlines() if json.loads(line)["id"] == "3"]
    mixed.write_text("\n".join(rows) + "\n")
    for out in ((), ("--out", "run")):
        refused = invoke("measure", "tiny", mixed, *out)
        assert refused.exit_code == 2, refused.output
        assert "must hold an item that can be measured; item 3" in " ".join(refused.stderr.split())


def test_a_server_is_refused_before_anything_is_asked_of_it(invoke, data):
    refused = invoke("measure", "http://127.0.0.1:9", data)
    assert refused.exit_code == 2
    assert "must be loaded here, since contributions need what a server does not show" in " ".join(
        refused.stderr.split()
    )


def test_what_is_said_of_image_and_text(invoke, data):
    shown = invoke("measure", "tiny", data, "--limit", 2, "--method", "mcs")
    said = " ".join(shown.stdout.split())
    assert "The ratio says how sensitive the answer is to image and text. On the pocket models this hardly" in said


def test_the_answers_stand_beside_the_shares_and_those_of_neither_side_are_counted(invoke, data, tmp_path: Path):
    ask = ("measure", "tiny", data)
    at_once = answer(invoke(*ask, "--json"))
    assert all({"prediction", "label"} <= row.keys() for row in at_once["items"])
    assert sum(at_once["answers"].values()) == 6
    other = at_once["answers"].get("other", 0)
    said = f"{other} of 6 answers are none of the answers that the modalities support"
    assert said in " ".join(invoke(*ask).stdout.split())
    assert answer(invoke(*ask, "--out", "run", "--json"))["summary"]["answers"] == at_once["answers"]
    rows = read_parquet(tmp_path / "run" / "items.parquet")
    assert rows["label"].value_counts().to_dict() == at_once["answers"]
    assert said in (tmp_path / "run" / "report.html").read_text()


def test_so_few_items_have_no_interval(invoke, data):
    assert "too few items" in invoke("measure", "tiny", data, "--limit", 2).stdout
