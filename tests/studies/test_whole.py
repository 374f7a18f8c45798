"""A study with everything in it: variants, protocols, controls, costs, and its report."""

from dataclasses import replace
from pathlib import Path

import pytest

from trimtab.report import write_report
from trimtab.studies import ALL_TASKS, read_summary


@pytest.fixture(scope="module")
def whole(run, plan, tmp_path_factory) -> Path:
    everything = replace(
        plan,
        name="whole",
        methods=("none", "mean", "l2s_small", "vcd", "autotrim"),
        variants={
            "l2s_small": {"method": "l2s", "train_items": 4, "layers": [0], "network": {"width": 4, "epochs": 2}},
            "autotrim": {"network": {"width": 4, "epochs": 2}},
        },
        protocols=("open", "single", "paired"),
        control_items=2,
        cost_items=1,
        data="made-up",
    )
    return run(tmp_path_factory.mktemp("whole") / "run", everything)


def test_every_method_under_every_protocol(whole):
    summary = read_summary(whole)
    found = {(r["method"], r["target"], r["protocol"]) for r in summary["rows"] if r["task"] == ALL_TASKS}
    assert {protocol for _, _, protocol in found} == {"open", "single", "paired"}
    assert {target for method, target, _ in found if method == "vcd"} == {"image"}
    assert {(m, t) for m, t, _ in found if m != "vcd"} == {
        (m, t) for m in ("none", "mean", "l2s_small", "autotrim") for t in ("image", "text")
    }
    assert all(p["p"] <= p["p_holm"] <= 1 for p in summary["paired"])


def test_strengths_are_swept_openly_where_there_are_any(whole):
    rows = [r for r in read_summary(whole)["rows"] if r["task"] == ALL_TASKS and r["target"] == "image"]
    swept = {(r["method"], r["protocol"]) for r in rows if not r["chosen"]}
    assert swept == {("mean", "open"), ("l2s_small", "open"), ("vcd", "open")}


def test_variants_are_fitted_as_they_say(whole):
    small = [a for a in read_summary(whole)["artifacts"] if a["method"] == "l2s_small"]
    assert [(a["kind"], a["layer"], a["train_items"]) for a in small] == [("l2s", 0, 4)] * 2


def test_controls_and_costs_are_in_the_summary(whole):
    summary = read_summary(whole)
    assert {r["kind"] for r in summary["controls"]} == {"image_only", "text_only"}
    assert all(r["loss"] == 0 for r in summary["controls"] if r["method"] == "none")
    costs = {r["method"]: r["passes"] for r in summary["costs"] if r["target"] == "image"}
    assert costs["autotrim"] > costs["none"]
    assert {r["method"] for r in summary["oracle"]} == {"mean", "l2s_small", "vcd"}
    assert all("autotrim" in r["beside"] for r in summary["oracle"])


def test_the_report_shows_all_of_it(whole):
    page = write_report(whole).read_text(encoding="utf-8")
    for heading in ("where nothing conflicts", "perfect choice", "What an answer costs", "Beside the paper"):
        assert heading in page
    assert "paired protocol" in page
    assert (whole / "figures" / "pareto-tiny-llava.png").is_file()
