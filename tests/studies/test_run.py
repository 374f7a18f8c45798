import json
import math
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest
import yaml
from pandas import read_parquet

from trimtab.errors import RunFolderError, UsageError
from trimtab.report import write_report
from trimtab.studies import ALL_TASKS, SCHEMA_VERSION, Plan, choose_items, read_summary, records
from trimtab.studies.steering.summary import _scaled_pairs

ROW = "model method target protocol task strength n following following_low following_high others other collapse"
CONTRIBUTION = "model task instruction n ratio ratio_low ratio_high"


class KilledAfter:
    """Interrupts a study once it has finished so many steps."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    @contextmanager
    def task(self, name: str, total: int):
        def advance(n: int) -> None:
            if ":" in name:  # the steps of a model
                self.left -= 1
                if self.left == 0:
                    raise KeyboardInterrupt

        yield advance


def test_summary_has_its_schema(finished, plan):
    summary = read_summary(finished)
    assert summary["schema_version"] == SCHEMA_VERSION
    assert summary["seed"] == plan.seed
    assert list(summary["models"]) == ["tiny-llava"]
    assert len(summary["models"]["tiny-llava"]["fingerprint"]) == 16
    assert all(set(ROW.split()) <= set(row) for row in summary["rows"])
    assert all(set(CONTRIBUTION.split()) <= set(row) for row in summary["contribution"])


def test_summary_has_every_condition_once(finished, plan):
    summary = read_summary(finished)
    totals = [r for r in summary["rows"] if r["task"] == ALL_TASKS]
    keys = [(r["method"], r["target"], r["strength"]) for r in totals]
    assert len(keys) == len(set(keys))
    assert {k[:2] for k in keys} == {(m, t) for m in plan.methods for t in plan.targets}
    for row in totals:
        assert row["n"] == (8 if row["chosen"] else 4)
    swept = {r["strength"] for r in totals if r["method"] == "amps" and r["target"] == "image"}
    assert swept == {1.0, 4.0}
    assert {r["task"] for r in summary["rows"]} == {"color", "counting", ALL_TASKS}
    assert {r["instruction"] for r in summary["contribution"]} == {"none", "image", "text"}


def test_no_steering_counts_the_same_answers_for_both_targets(finished):
    rows = [r for r in read_summary(finished)["rows"] if r["method"] == "none" and r["task"] == ALL_TASKS]
    image, text = sorted(rows, key=lambda r: r["target"])
    assert (image["following"], image["others"]) == (text["others"], text["following"])


def test_paired_compares_amps_with_l2s(finished):
    pairs = [p for p in read_summary(finished)["paired"] if (p["method"], p["baseline"]) == ("amps", "l2s")]
    assert [p["target"] for p in pairs] == ["image", "text"]
    assert all(p["n"] == 8 and 0 <= p["p"] <= 1 for p in pairs)


def test_scalings_are_compared_at_equal_strength(finished):
    rows = read_summary(finished)["equal_strength"]
    assert [(r["method"], r["baseline"], r["target"], r["strength"]) for r in rows] == [
        ("amps", "l2s", target, strength) for target in ("image", "text") for strength in (1.0, 4.0)
    ]
    assert all(r["n"] in (4, 8) and r["p"] <= r["p_holm"] <= 1 for r in rows)


def test_a_shuffled_scaling_is_compared_with_its_like_alone():
    variants = {
        "l2s_more": {"method": "l2s", "seed": 1},
        "prose": {"method": "amps", "reading": "prose"},
        "shuffled": {"method": "amps", "reading": "prose", "shuffled": True},
        "other": {"method": "amps", "reading": "literal", "seed": 1},
    }
    plan = Plan(methods=("none", "l2s", *variants), variants=variants)
    assert _scaled_pairs(plan) == [("prose", "l2s"), ("prose", "shuffled"), ("shuffled", "l2s"), ("other", "l2s_more")]


def test_items_hold_answers_and_scores(finished):
    items = read_parquet(finished / "items.parquet")
    assert {"id", "prediction", "label", "collapsed", "contribution_image", "contribution_text", "ratio"} <= set(items)
    rows = records(items)
    measured = {row["id"] for row in rows if row["method"] == "none" and not math.isnan(row["ratio"])}
    assert len(measured) == 4
    instructed = [row for row in rows if row["method"] == "instruction" and row["target"] == "text"]
    assert {row["instruction"] for row in instructed} == {"text"}


def test_provenance_and_config(finished, plan, model):
    config = yaml.safe_load((finished / "config.yaml").read_text())
    assert config["plan"]["strengths"] == [1.0, 4.0]
    pinned = yaml.safe_load((finished / "pinned" / "tiny-llava.yaml").read_text())
    assert pinned["fingerprint"] == model.fingerprint
    provenance = json.loads((finished / "provenance.json").read_text())
    assert {"python", "torch", "transformers", "trimtab"} <= set(provenance["versions"])
    assert provenance["evaluation"]["passes"] > 0
    assert provenance["seconds"] > 0
    receipts = [e for notes in provenance["steps"].values() for e in notes.get("receipt", ())]
    assert all(e["prompt_positions"] > 0 for e in receipts)


def test_a_study_killed_again_and_again_ends_with_the_same_summary(finished, run, tmp_path):
    out = tmp_path / "run"
    for steps in (2, 6, 11, 14):  # while it measures, fits twice, evaluates
        with pytest.raises(KeyboardInterrupt):
            run(out, progress=KilledAfter(steps))
        assert not (out / "summary.json").exists()
    run(out)
    assert (out / "summary.json").read_bytes() == (finished / "summary.json").read_bytes()


def test_a_finished_study_computes_nothing(finished, run, model, monkeypatch):
    before = (finished / "summary.json").read_bytes()
    monkeypatch.setattr(type(model), "decode", lambda *_a, **_k: pytest.fail("the model ran"))
    run(finished)
    assert (finished / "summary.json").read_bytes() == before


def test_a_method_that_a_model_cannot_take_is_left_out_and_named(run, plan, tmp_path):
    out = run(tmp_path / "run", replace(plan, methods=("none", "var"), targets=("image",)))
    summary = read_summary(out)
    (refused,) = summary["refused"]
    assert (refused["model"], refused["method"], refused["target"]) == ("tiny-llava", "var", "image")
    assert "no token is a sink" in refused["reason"]
    assert {row["method"] for row in summary["rows"]} == {"none"}
    assert "no token is a sink" in write_report(out).read_text()


def test_another_seed_needs_another_folder(finished, run, plan):
    with pytest.raises(RunFolderError, match="choose another folder"):
        run(finished, replace(plan, seed=1))


def test_an_unfinished_study_has_no_summary(tmp_path):
    with pytest.raises(RunFolderError, match="run the study's command again"):
        read_summary(tmp_path)


@pytest.mark.parametrize(
    "wrong", [{"methods": ("magic",)}, {"test_items": 0}, {"depths": (1.0,)}, {"strengths": (0.0,)}]
)
def test_a_plan_that_cannot_run_is_refused(wrong):
    with pytest.raises(UsageError, match="of Plan must be"):
        Plan(**wrong)


def test_chosen_items_are_balanced_and_do_not_depend_on_order(test_items):
    chosen = choose_items(test_items, 4, seed=0)
    assert [i.task for i in chosen] == ["color", "counting"] * 2
    assert choose_items(list(reversed(test_items)), 4, seed=0) == chosen
    assert choose_items(test_items, 6, seed=0)[:4] == chosen
    assert len(choose_items(test_items, 99, seed=0)) == len(test_items)


def test_names_never_leave_the_run_folder(run, plan, tmp_path):
    odd = "../../../../escape"
    variants = {odd: {"method": "mean"}, "con": {"method": "mean"}}
    out = run(
        tmp_path / "deep" / "run", replace(plan, methods=("none", *variants), variants=variants, targets=("image",))
    )
    assert {row["method"] for row in read_summary(out)["rows"]} == {"none", *variants}
    assert [p.name for p in tmp_path.iterdir()] == ["deep"]
    assert [p.name for p in (tmp_path / "deep").iterdir()] == ["run"]
    assert write_report(out).is_file()


def test_names_that_differ_in_case_alone_are_refused():
    variants = {"Mean": {"method": "mean"}}
    with pytest.raises(UsageError, match="`methods` of Plan must have.*'mean' and 'Mean'"):
        Plan(methods=("none", "mean", "Mean"), variants=variants)


def test_an_artifact_that_is_not_the_one_fitted_is_refused(finished, run, tmp_path):
    out = shutil.copytree(finished, tmp_path / "run")
    changed = out / "artifacts" / "tiny-llava" / "mean-image" / "config.json"
    config = json.loads(changed.read_text())
    changed.write_text(json.dumps(config | {"strength": 0.7}))
    with pytest.raises(RunFolderError, match="must be the one that was fitted there"):
        run(out)


def test_a_study_on_another_device_or_type_needs_another_folder(finished, run, model, monkeypatch):
    monkeypatch.setattr("trimtab.studies.kit.bench.computed_in", lambda _models: {"tiny-llava": "bfloat16 on cuda"})
    with pytest.raises(RunFolderError, match=r"models\.tiny-llava\.computed_in.*choose another folder"):
        run(finished)
