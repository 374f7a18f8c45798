"""A study with everything in it: variants, protocols, controls, costs, and its report."""

from dataclasses import replace
from pathlib import Path

import pytest
from pandas import read_parquet
from safetensors.torch import load_file

from trimtab.report import write_report
from trimtab.studies import ALL_TASKS, read_summary, records


@pytest.fixture(scope="module")
def whole(run, plan, tmp_path_factory) -> Path:
    everything = replace(
        plan,
        name="whole",
        methods=("none", "mean", "random", "l2s_small", "vcd", "autotrim"),
        seeds=(0, 1),
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
        (m, t) for m in ("none", "mean", "random", "l2s_small", "autotrim") for t in ("image", "text")
    }
    assert all(p["p"] <= p["p_holm"] <= 1 for p in summary["paired"])


def test_strengths_are_swept_openly_where_there_are_any(whole):
    rows = [r for r in read_summary(whole)["rows"] if r["task"] == ALL_TASKS and r["target"] == "image"]
    swept = {(r["method"], r["protocol"]) for r in rows if not r["chosen"]}
    assert swept == {(method, "open") for method in ("mean", "random", "l2s_small", "vcd")}


def test_variants_are_fitted_as_they_say(whole):
    small = [a for a in read_summary(whole)["artifacts"] if a["method"] == "l2s_small"]
    assert [(a["kind"], a["layer"], a["train_items"]) for a in small] == [("l2s", 0, 4)] * 2


def test_controls_and_costs_are_in_the_summary(whole):
    summary = read_summary(whole)
    kinds = ["image_only", "text_only", "agreeing_text"]  # every answer here is one of every task
    assert list(dict.fromkeys(r["kind"] for r in summary["controls"])) == kinds
    made = {own["kind"]: own["n"] for own in summary["control_items"]}
    assert made == {**dict.fromkeys(kinds, 2), "irrelevant_text": 0, "irrelevant_image": 0, "both": 0}
    assert all(bool(own["short"]) == (own["n"] < 2) for own in summary["control_items"])
    assert all(r["difference"] == 0 for r in summary["controls"] if r["method"] == "none")
    assert all(r["chosen"] for r in summary["controls"])
    costs = {r["method"]: r["passes"] for r in summary["costs"] if r["target"] == "image"}
    assert costs["autotrim"] > costs["none"]
    assert {r["method"] for r in summary["oracle"]} == {"mean", "random", "l2s_small", "vcd"}
    assert all("autotrim" in r["beside"] for r in summary["oracle"])


def test_rates_of_several_seeds_are_their_mean_with_a_range(whole):
    summary = read_summary(whole)
    assert {(r["method"], r["seeds"]) for r in summary["seeds"]} == {("random", 5), ("l2s_small", 2)}
    answers = [row for row in records(read_parquet(whole / "items.parquet")) if row["chosen"]]
    for row in summary["seeds"]:
        where = {key: row[key] for key in ("method", "target", "protocol")}
        own = [answer for answer in answers if where.items() <= answer.items()]
        by_seed = [[a["label"] == a["target"] for a in own if a["seed"] == seed] for seed in range(row["seeds"])]
        found = [sum(hits) / len(hits) for hits in by_seed]
        assert (row["lowest"], row["highest"]) == pytest.approx((min(found), max(found)), abs=1e-6)
        (total,) = (r for r in summary["rows"] if r["chosen"] and r["task"] == ALL_TASKS and where.items() <= r.items())
        assert (total["n"], total["following"]) == (8, pytest.approx(sum(found) / len(found), abs=1e-6))
    assert {r["seeds"] for r in summary["controls"] if r["method"] == "random"} == {5}
    artifacts = whole / "artifacts" / "tiny-llava"
    drawn = [load_file(folder / "weights.safetensors")["vector"] for folder in artifacts.glob("random-image*")]
    assert len({tuple(vector.tolist()) for vector in drawn}) == 5


def test_the_report_shows_all_of_it(whole):
    page = write_report(whole).read_text(encoding="utf-8")
    for heading in ("where nothing conflicts", "perfect choice", "What an answer costs"):
        assert heading in page
    assert "Beside the paper" not in page  # which has none of these methods
    assert "5 seeds" in page
    power = ("points cannot be shown after correction", "no difference can be shown")
    assert sum(map(page.count, power)) == 4  # under rates, comparisons, controls and the perfect choice
    assert "cannot be made of conflict items" in page
    assert "paired protocol" in page
    assert (whole / "figures" / "pareto-tiny-llava.png").is_file()
