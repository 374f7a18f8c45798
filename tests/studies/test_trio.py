"""A study of items that set three modalities against each other."""

import pytest
from tests.contribution.items import trio_items

from trimtab.items import Items
from trimtab.modalities import Modality
from trimtab.report import write_report
from trimtab.studies import ALL_TASKS, Plan, evaluate, read_summary, run_study
from trimtab.studies.kit.protocols import PROTOCOLS
from trimtab.testing import tiny_trio

TRIO: tuple[Modality, ...] = ("image", "text", "audio")
PLAN = Plan(
    name="trio",
    data="made-up",
    models=("tiny-trio",),
    methods=("none", "instruction", "mean"),
    targets=TRIO,
    protocols=("open", "single", "paired"),
    train_items=4,
    validation_items=2,
    test_items=4,
    sweep_items=2,
    contribution_items=2,
    control_items=1,
    depths=(0.5,),
    strengths=(1.0,),
    chunk=4,
    max_new_tokens=2,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    model = tiny_trio(check=False)
    out = tmp_path_factory.mktemp("trio") / "run"
    return run_study(PLAN, out, load=lambda _name: model, read=lambda _source: Items(trio_items(4)))


def test_every_modality_is_a_target_and_rates_sum_to_one(run):
    summary = read_summary(run)
    assert summary["modalities"] == list(TRIO)
    totals = [r for r in summary["rows"] if r["task"] == ALL_TASKS]
    assert {(r["target"], r["protocol"]) for r in totals} == {(t, p) for t in TRIO for p in PLAN.protocols}
    assert all(r["following"] + r["others"] + r["other"] == pytest.approx(1) for r in totals)


def test_no_steering_counts_the_same_answers_for_every_target(run):
    rows = [r for r in read_summary(run)["rows"] if r["method"] == "none" and r["task"] == ALL_TASKS]
    for protocol in PLAN.protocols:
        own = [r for r in rows if r["protocol"] == protocol]
        for row in own:
            assert row["others"] == pytest.approx(sum(r["following"] for r in own if r is not row))


def test_contributions_and_controls_are_of_each_modality(run):
    summary = read_summary(run)
    for row in summary["contribution"]:
        assert sum(row[f"share_{modality}"] for modality in TRIO) == pytest.approx(1, abs=1e-5)
    assert {r["instruction"] for r in summary["contribution"]} == {"none", *TRIO}
    assert {r["kind"] for r in summary["controls"]} == {f"{modality}_only" for modality in TRIO}


def test_the_report_speaks_of_all_of_them(run):
    page = write_report(run).read_text(encoding="utf-8")
    assert "Image or text or audio: which does the model follow?" in page
    assert "a picture, a text and a sound" in page
    assert "audio only" in page
    assert (run / "figures" / "contribution-share_audio.png").is_file()


def test_options_are_asked_with_each_answer_first(run):
    item = trio_items(1)[0]
    orders = [prompt.choices for prompt in PROTOCOLS["paired"].prompts(item)]
    first = tuple(item.answer_of(modality) for modality in TRIO)
    assert orders == [first, first[1:] + first[:1], first[2:] + first[:2]]
    assert PROTOCOLS["single"].prompts(item)[0].choices in orders
    for letters in (["A", "C", "B"], ["A"] * 3):
        label = PROTOCOLS["paired"].judge(letters, item, None).label
        assert label == ("image" if letters == ["A", "C", "B"] else "other")


def test_an_evaluation_needs_no_plan():
    from trimtab.steering import NoSteering

    model, items = tiny_trio(check=False), trio_items(2)
    found = evaluate(model, items, [NoSteering(target=target).fit(model, items) for target in TRIO], max_new_tokens=2)
    assert len(found.answers) == 6
