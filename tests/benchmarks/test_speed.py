"""The benchmark of speed writes its lines and its page."""

from itertools import count
from pathlib import Path

import pytest
import torch
from benchmarks.circuits.peers import compare
from benchmarks.speed import __main__ as speed
from benchmarks.speed import measuring, peers
from benchmarks.speed.curves import Curve, draw, section
from benchmarks.speed.lines import Aim, Line, compared
from benchmarks.speed.page import page, read
from benchmarks.speed.tensors import TensorPeak
from benchmarks.speed.timing import MOST_ROUNDS, Times, in_turns
from scipy.stats import binom

from trimtab.circuits import every_head
from trimtab.testing import tiny_model


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_one_command_measures_and_writes_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def fails(_subject: object):
        raise ValueError("no")
        yield

    monkeypatch.setitem(measuring.ALL, "states", fails)
    written = tmp_path / "performance.md"
    asked = ["--model", "pocket-qwen", "--job", "strengths", "--job", "states", "--tiny"]
    speed.main([*asked, "--out", str(tmp_path), "--page", str(written)])
    lines = read(tmp_path / "lines.jsonl")
    assert [(line["job"], line["error"]) for line in lines[:2]] == [("strengths", None), ("states", "ValueError: no")]
    assert lines[2]["more"] == {"minutes": 0}
    found = written.read_text()
    assert "| pocket-qwen | eleven / one | " in found
    assert "| at most 1.7 |" in found
    assert "| pocket-qwen | states | ValueError: no |" in found


def test_two_models_can_be_measured_at_a_time(tmp_path: Path):
    asked = ["--model", "pocket-qwen", "--model", "pocket-llava", "--job", "growth", "--tiny", "--workers", "2"]
    written = tmp_path / "performance.md"
    speed.main([*asked, "--out", str(tmp_path), "--page", str(written)])
    lines = read(tmp_path / "lines.jsonl")
    assert {line.get("model") for line in lines if line["ratio"]} == {"pocket-qwen", "pocket-llava"}
    found = written.read_text()
    assert found.index("| pocket-qwen | ") < found.index("| pocket-llava | ")
    assert "two models at a time, in 0 minutes, with torch" in found or "two models at a time, in 1 minutes" in found


def test_a_ratio_is_the_median_of_the_rounds_and_knows_its_aim():
    times = Times({"slow": [2.0, 9.0, 4.0], "fast": [1.0, 1.0, 1.0]})
    line = compared("job", times, "slow", "fast", Aim(least=3), 5.0)
    assert (line.ratio, line.low, line.high, line.rounds, line.met) == (4.0, 2.0, 9.0, 3, True)
    assert compared("job", times, "slow", "fast", Aim(most=3)).met is False
    assert compared("job", times, "slow", "fast").met is None
    assert Line("job", error="no").met is None


def test_ways_take_turns_and_a_part_counts_for_all_of_it():
    order: list[str] = []
    ways = {name: (lambda name=name: order.append(name)) for name in ("a", "b")}
    times = in_turns(ways, torch.device("cpu"), 2, {"a": 0.5})
    assert order[:6] == ["a", "b", "a", "b", "b", "a"]
    assert len(times.seconds["a"]) == len(times.seconds["b"])


def test_short_ways_have_more_rounds():
    times = in_turns({"a": lambda: sum(range(1000))}, torch.device("cpu"), 2)
    assert len(times.seconds["a"]) == MOST_ROUNDS


@pytest.mark.parametrize(("rounds", "beyond"), [(2, 0), (5, 0), (6, 0), (8, 0), (9, 1), (12, 2), (25, 7)])
def test_the_interval_of_a_median_holds_it_with_95_percent(rounds: int, beyond: int):
    seconds = [float(number) for number in range(1, rounds + 1)]
    ratio = Times({"a": seconds, "b": [1.0] * rounds}).ratio("a", "b")
    assert (ratio.low, ratio.high) == (1 + beyond, rounds - beyond)
    if rounds >= 6:
        assert binom.cdf(beyond, rounds, 0.5) <= 0.025 or beyond == 0
        assert binom.cdf(beyond + 1, rounds, 0.5) > 0.025


def test_the_page_has_every_job_in_its_order():
    said = {"device": "CPU", "torch": "1", "transformers": "2", "model": "m", "error": None, "met": True, "bound": None}
    own = {"over": "a", "under": "b", "ratio": 2.0, "low": 1.0, "high": 3.0, "aim": {"least": 1.0, "most": None}}
    found = page([{**said, **own, "job": job} for job in ("heads", "memory: states", "answers")], "command")
    assert (
        found.index("## Answers") < found.index("## Heads") < found.index("| m | states: a / b | 2.00 (1.00 to 3.00) |")
    )


def test_what_misses_its_aim_is_named_with_its_parts():
    said = {"device": "CPU", "torch": "1", "transformers": "2", "model": "m", "error": None, "low": 1.2, "high": 1.6}
    none = {"least": None, "most": None}
    missed = {**said, "job": "contribution", "over": "exact", "under": "prefill", "ratio": 1.45, "met": False}
    missed |= {"bound": 1.1, "aim": {"least": None, "most": 1.3}}
    profiled = {**said, "job": "profile: exact", "under": "prefill", "met": None, "bound": None, "aim": none}
    parts = [{**profiled, "over": over, "ratio": 0.2} for over in ("all", "rows, forward", "operations")]
    found = page([missed, *parts], "command")
    assert (
        "- m, contribution, exact / prefill: 1.45, aim at most 1.3; one end of the interval reaches it; its parts, in "
        "prefills: rows, forward 0.20." in found
    )
    assert "Aims are reached by 0 of 1 timings, 0 of them with the whole interval, and by 0 of 0 estimates" in found


def test_the_page_says_what_a_stopped_run_has_not_measured():
    said = {"device": "CPU", "torch": "1", "transformers": "2", "model": "m", "error": "no", "met": None, "ratio": None}
    said |= {"over": "", "under": "", "bound": None, "aim": {"least": None, "most": None}}
    jobs = ("answers", "methods: mean", "contribution", "windows", "heads", "peers", "strengths", "states", "growth")
    jobs = (*jobs, "profile")
    found = page([{**said, "job": job} for job in jobs], "command", models=("m", "n"))
    assert "Not measured in this run: m: memory; n: everything." in found


def test_ratios_of_a_gpu_have_a_section_that_says_what_ran_beside():
    said = {"device": "G", "torch": "1", "transformers": "2", "model": "m", "error": None, "met": True, "bound": None}
    own = {
        **said,
        "over": "a",
        "under": "b",
        "ratio": 2.0,
        "low": 1.0,
        "high": 3.0,
        "aim": {"least": 1.0, "most": None},
    }
    none = {**own, "ratio": None, "error": "left out"}
    found = page(
        [{**own, "job": "heads"}],
        "command",
        [{**own, "job": "windows", "beside": "a training"}, none | {"job": "heads"}],
    )
    section = found[found.index("## On a GPU") :]
    assert "here on one G, with torch 1. Beside it ran a training." in section
    assert "| m | windows: a / b | 2.00 (1.00 to 3.00) |" in section
    assert "left out |" not in section
    assert "## On a GPU" not in page([{**own, "job": "heads"}], "command")


def test_tensors_are_counted_while_they_are_there():
    with TensorPeak() as peak:
        one = torch.zeros(1000)
        part = one.view(10, 100)[2]
        del one
        more = part + torch.ones(100)
        del part
        torch.zeros(500).add_(more.sum())
    assert peak.bytes == 4 * (1000 + 100 + 100)


def test_of_a_model_with_many_heads_peers_sweep_those_of_the_middle_layer(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("llava", layers=5)
    assert peers.some_heads(model) == every_head(model)
    monkeypatch.setattr(peers, "MOST_HEADS", 4)
    assert peers.some_heads(model) == [head for head in every_head(model) if head[0] == 2]


def test_what_all_heads_would_take_is_computed_of_all_but_the_engine():
    ways = {way: lambda _case: torch.zeros(3, 5) for way in ("engine", "plain loop", "peer")}
    found = compare(ways, [None], count().__next__, share=0.25)  # pyright: ignore[reportArgumentType]
    assert {way: line["engine_ratio"] for way, line in found.items()} == {"engine": 1, "plain loop": 4, "peer": 4}


def test_growth_is_told_and_drawn(tmp_path: Path):
    found = [Curve("items", "8 items", {1: 1.0, 2: 2.5, 4: 5.0, 8: 16.0}, {1: 1.0, 2: 1.0, 4: 1.0, 8: 1.5})]
    assert "| items | 8 items | 2.50 | 5.00 | 16.00 | 1.33 | 1.50 |" in section(found)
    draw(found, tmp_path / "images" / "growth.png")
    assert (tmp_path / "images" / "growth.png").read_bytes().startswith(b"\x89PNG")
