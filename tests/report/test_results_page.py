"""The page of steering results: its tables say what a study's summary says."""

import copy

import pytest
from benchmarks.steering.results import profile, unchanged, write_page

from trimtab.errors import UsageError

CONTROL = {"chosen": True, "seeds": 1, "accuracy": 0.75, "accuracy_low": 0.6, "accuracy_high": 0.9, "n": 40}


def with_controls(summary):
    found = copy.deepcopy(summary)
    place = {"model": "pocket-qwen", "target": "text", "kind": "both", **CONTROL}
    found["controls"] = [
        {**place, "method": "none", "difference": 0.0, "p_holm": 1.0},
        {**place, "method": "mean", "difference": -0.25, "p_holm": 0.01},
        {**place, "method": "amps", "difference": 0.05, "p_holm": 0.6},
    ]
    cost = {"model": "pocket-qwen", "target": "text"}
    found["costs"] = [{**cost, "method": m, "positions": p} for m, p in (("none", 50), ("mean", 75))]
    return found


def cells_of(page, method):
    [line] = [line for line in page.splitlines() if line.startswith(f"| `{method}`")]
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_a_profile_has_rates_controls_and_work(summary):
    found = with_controls(summary)
    page = profile(found, "pocket-qwen", "text")
    [row] = [
        r
        for r in found["rows"]
        if r["chosen"] and (r["model"], r["method"], r["target"], r["task"]) == ("pocket-qwen", "mean", "text", "all")
    ]
    mean, none, amps = (cells_of(page, method) for method in ("mean", "none", "amps"))
    assert mean[2].startswith(f"{100 * row['following']:.0f} (")
    assert (none[-2:], mean[-2:], amps[-2:]) == (["75", "1.00"], ["**−25.0**", "1.50"], ["+5.0", ""])


def test_the_page_has_a_profile_for_each_model_and_target(run, tmp_path):
    page = write_page([run], tmp_path / "results.md").read_text()
    for target in ("image", "text"):
        assert page.count(f": pocket-qwen, toward the {target}\n") == 1
    assert "compared in pairs" in page


def test_other_runs_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty is none"):
        write_page([tmp_path / "empty"], tmp_path / "results.md")


def test_methods_that_change_no_answer_are_named():
    row = {"chosen": True, "protocol": "open", "id": "a", "prediction": "red"}
    rows = [
        {**row, "method": "none"},
        {**row, "method": "still"},
        {**row, "method": "moved"},
        {**row, "method": "moved", "prediction": "blue"},  # with another seed
        {**row, "method": "still", "prediction": "blue", "chosen": False},  # at another strength
    ]
    assert unchanged(rows) == ["`still`"]
