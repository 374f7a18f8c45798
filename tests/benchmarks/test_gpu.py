"""The benchmark for GPUs goes its whole way on a CPU, and loses nothing when something fails or time is short."""

import json
from pathlib import Path

import pytest
import torch
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu.shapes import SHAPES, TINY, build
from benchmarks.speed.lines import Line

from trimtab.checking import JOBS

ONE = ["--tiny", "--shape", "llava-3b"]


def lines_of(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "lines.jsonl").read_text().splitlines()]


def test_every_job_gives_ratios_on_a_tiny_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("benchmarks.gpu.memory.JOBS", JOBS[:1])
    gpu.main([*ONE, "--out", str(tmp_path)])
    found = lines_of(tmp_path)
    assert {line["job"].split(":")[0] for line in found} == {"build", *gpu.ORDER}
    assert not [line for line in found if line["error"]]
    assert all(line["low"] <= line["ratio"] <= line["high"] for line in found if line["job"] != "build")
    assert {(line["model"], line["device"]) for line in found} == {("llava-3b", "CPU")}
    for line in found:
        assert line["more"].get("largest_difference", 0) < 0.05  # bfloat16
        made = set(line["more"].get("answer_tokens", {"": 0}).values())
        assert len(made) == 1  # all ways do the same work


def test_what_fails_is_a_line_and_the_rest_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(_subject: object):
        yield Line("answers", ratio=1.0, low=1.0, high=1.0)
        raise ValueError("no")

    for job in gpu.ORDER:
        monkeypatch.setitem(gpu.ALL, job, lambda _subject: iter([Line("fine")]))
    monkeypatch.setitem(gpu.ALL, "answers", fails)
    gpu.main([*ONE, "--out", str(tmp_path)])
    said = [(line["job"], line["error"]) for line in lines_of(tmp_path)]
    assert said[0] == ("build", None)
    assert said.count(("fine", None)) == len(gpu.ORDER) - 1
    assert [one for one in said if one[0] == "answers"] == [("answers", None), ("answers", "ValueError: no")]


def test_what_there_is_no_time_for_is_said(tmp_path: Path):
    gpu.main([*ONE, "--out", str(tmp_path), "--deadline", "0"])
    assert {line["error"] for line in lines_of(tmp_path)} == {None, "left out: there was no time"}


@pytest.mark.parametrize("name", TINY)
def test_a_shape_is_a_model_that_passes_its_self_check(name: str):
    from trimtab.models import self_check

    model = build(name, TINY[name], torch.device("cpu"), torch.float32)
    self_check(model)
    assert model.n_layers == TINY[name].sizes["layers"]
    assert set(SHAPES[name].sizes) >= {"layers", "vision_layers"}
