"""The ablation on a tiny model, and its averages by hand."""

import json
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

from tests.contribution.items import conflict_items
from tests.interference.items import mixed
from trimtab.errors import RunFolderError, UsageError
from trimtab.interference import AttackConfig, HardenConfig
from trimtab.items import Items
from trimtab.models import adapters
from trimtab.report import write_report
from trimtab.report.hardening import loss_columns, loss_lines
from trimtab.studies import read_summary, run_study
from trimtab.studies.interference import AblationPlan, HardeningStudy
from trimtab.studies.interference.variants import accuracy_table, loss_by_chance
from trimtab.testing import tiny_model

BASE = HardenConfig(steps=1, batch_size=2, perturbations=("misleading_text",), attack=AttackConfig(steps=1))
PLAN = AblationPlan(
    "tiny",
    variants=("augmented", "all"),
    seeds=(0, 1),
    base=BASE,
    conditions=("misleading_text", "dilution_text", "noise_image"),
    ways=("plain", "ignore"),
    attack_steps=(2,),
    test_items=6,
    conflict_items=2,
)


def load(name: str | Path):
    model = tiny_model("llava", layers=2, check=False)
    if Path(name).is_dir():
        adapters.merge(model, name)
    return model


def read(source: str) -> Items:
    return Items(mixed(3) if source.startswith("pocket-interference") else conflict_items(4))


def test_an_ablation_tests_every_variant_and_goes_on_where_it_was(tmp_path, monkeypatch):
    out = run_study(PLAN, tmp_path / "run", load=load, read=read)
    summary = read_summary(out)
    assert {r["variant"] for r in summary["accuracy"]} == {
        "vanilla",
        "vanilla, ignore",
        "augmented",
        "all",
        "all, 2 steps",
    }
    assert (summary["seen"], summary["unseen"]) == (["misleading_text"], ["dilution_text", "noise_image"])
    assert [c["label"] for c in summary["cost"]] == ["augmented-0", "augmented-1", "all-0", "all-1", "all, 2 steps-0"]
    work = {c["label"]: c["forward_equivalents"] for c in summary["cost"]}
    assert work["all, 2 steps-0"] > work["all-0"] > work["augmented-0"] > 0
    assert {r["method"] for r in summary["preference"]} == {"none", "instruction", "mean"}
    page = write_report(out).read_text(encoding="utf-8")
    for said in ("vanilla, ignore", "all, 2 steps", "misleading text", "noise image", "image: worst seen"):
        assert said in page, said
    before = (out / "summary.json").read_bytes()
    monkeypatch.setattr("trimtab.studies.interference.hardening.diagnose", None)
    monkeypatch.setattr(import_module("trimtab.interference.hardening.fine_tuning"), "_trained", None)
    run_study(PLAN, out, load=load, read=read)
    assert (out / "summary.json").read_bytes() == before
    assert json.loads((out / "provenance.json").read_text())["versions"]["trimtab"]
    with pytest.raises(RunFolderError, match="same configuration"):
        run_study(PLAN, out, load=load, read=lambda source: Items(read(source)[1:]))


def run_of(**conditions: str) -> list[dict]:
    """Answers of one seed: for each condition a string of 1 (right) and 0, a place for each item."""
    return [
        {"id": f"i{k}", "cluster": f"i{k}", "relevant": "image", "condition": name, "correct": mark == "1"}
        for name, marks in conditions.items()
        for k, mark in enumerate(marks)
    ]


def test_averages_over_seeds_by_hand():
    runs = [
        run_of(clean="1111", lie="1000", noise="1110", other="0111"),
        run_of(clean="1110", lie="1111", noise="1100", other="0011"),
    ]
    table = {row["condition"]: row for row in accuracy_table("all", runs, {"clean", "lie", "noise"})}
    assert (table["clean"]["accuracy"], table["clean"]["n"], table["clean"]["seeds"]) == (0.875, 4, 2)
    assert table["clean"]["spread"] == pytest.approx(0.25 / 2**0.5)
    assert table["worst seen"]["accuracy"] == (0.25 + 0.5) / 2  # lie for the first seed, noise for the second
    assert table["worst unseen"]["accuracy"] == (0.75 + 0.5) / 2
    assert table["mean seen"]["accuracy"] == (4 / 8 + 6 / 8) / 2
    assert table["mean unseen"]["accuracy"] == table["worst unseen"]["accuracy"]  # there is one
    assert (table["lie"]["seen"], table["other"]["seen"]) == (True, False)
    assert table["lie"]["low"] <= table["lie"]["accuracy"] <= table["lie"]["high"]


def test_a_family_without_perturbations_has_its_clean_accuracy_as_worst():
    table = {row["condition"]: row for row in accuracy_table("all", [run_of(clean="1101")], {"clean"})}
    assert table["worst seen"]["accuracy"] == table["worst unseen"]["accuracy"] == 0.75


def test_a_wrong_plan_is_refused():
    with pytest.raises(UsageError, match="`variants` of AblationPlan"):
        replace(PLAN, variants=("magic",))
    with pytest.raises(UsageError, match="`seeds` of AblationPlan must be at least one"):
        replace(PLAN, seeds=())


def test_variants_say_how_the_same_items_do_clean():
    right = run_of(clean="1" * 10 + "0" * 10, lie="1" * 5 + "0" * 5)
    table = {row["condition"]: row for row in accuracy_table("all", [right], {"clean", "lie"})}
    for condition in ("lie", "mean seen", "worst seen"):
        assert (table[condition]["n"], table[condition]["accuracy"], table[condition]["clean"]) == (10, 0.5, 1.0)
    assert (table["mean unseen"]["n"], table["mean unseen"]["accuracy"]) == (20, 0.5)


def test_a_loss_stands_beside_its_interval_over_clusters():
    rows = run_of(clean="1" * 40, lie="0" * 10 + "1" * 30)
    alone = {row["condition"]: row for row in accuracy_table("all", [rows], {"clean", "lie"})}["lie"]
    assert (alone["loss"], alone["accuracy"]) == (0.25, 0.75)
    assert 0.1 < alone["loss_low"] < 0.25 < alone["loss_high"] < 0.4
    for row in rows:  # the ten that are lost are one question
        row["cluster"] = "one" if int(row["id"][1:]) < 10 else row["id"]
    together = {row["condition"]: row for row in accuracy_table("all", [rows], {"clean", "lie"})}["lie"]
    assert together["loss"] == 0.25
    assert together["loss_high"] - together["loss_low"] > alone["loss_high"] - alone["loss_low"]


def test_the_worst_of_several_loses_something_by_chance_alone():
    """Of two answers, one right: clean is right in half of all orders, so the loss is 1, 0 or -1 item, 0 on average."""
    alone = {"clean": {"a": True}, "lie": {"a": False}}
    assert loss_by_chance(alone, ["lie"], {"a": "a"}) == pytest.approx(0, abs=0.1)
    # One of three right: clean in a third of all orders, which loses 1; else the worse of the two others has none, too.
    three = {"clean": {"a": True}, "lie": {"a": False}, "noise": {"a": False}}
    assert loss_by_chance(three, ["lie", "noise"], {"a": "a"}) == pytest.approx(1 / 3, abs=0.1)
    assert loss_by_chance({"clean": {"a": True}, "lie": {"a": True}}, ["lie"], {"a": "a"}) == 0
    assert loss_by_chance(alone, [], {"a": "a"}) == 0
    names = [f"i{k}" for k in range(60)]
    right = {
        c: {name: (k + j) % 4 > 0 for k, name in enumerate(names)} for j, c in enumerate(("clean", "lie", "noise"))
    }
    many = loss_by_chance(right, ["lie", "noise"], {name: name for name in names})
    few = loss_by_chance(right, ["lie", "noise"], {name: str(k % 6) for k, name in enumerate(names)})
    assert 0 < many < few < 0.2


def test_what_the_worst_loses_by_chance_stands_beside_it():
    runs = [run_of(clean="1101" * 5, lie="1011" * 5, noise="0111" * 5, other="1110" * 5)]
    table = {row["condition"]: row for row in accuracy_table("all", runs, {"clean", "lie", "noise"})}
    assert table["worst seen"]["chance"] > table["worst unseen"]["chance"] >= -0.05
    assert table["worst seen"]["loss"] == 0
    assert "chance" not in table["lie"]


def test_what_the_worst_loses_is_laid_out_and_nothing_where_an_old_summary_does_not_say_it():
    runs = [run_of(clean="1" * 20, lie="0" * 5 + "1" * 15, noise="1" * 20)]
    summary = {"kind": "hardening", "schema_version": 5, "accuracy": accuracy_table("kl", runs, {"clean", "lie"})}
    assert loss_columns(summary) == [("image", "worst seen"), ("image", "worst unseen")]
    [[name, seen, unseen]] = loss_lines(summary)
    assert (name, seen[:6], unseen[:5]) == ("kl", "25.0 (", "0.0 (")
    assert seen.endswith(f"; {100 * summary['accuracy'][-3]['chance']:.1f}")
    old = [{k: v for k, v in row.items() if "loss" not in k and k != "chance"} for row in summary["accuracy"]]
    upgraded = HardeningStudy.upgraded({**summary, "schema_version": 4, "accuracy": old})
    assert upgraded is not None
    assert loss_lines(upgraded) == [["kl", "", ""]]
    assert HardeningStudy.upgraded(summary) is None
