"""Items without a conflict: what is asked, what is right, what is lost."""

import math
from dataclasses import replace
from io import BytesIO

import pytest
import torch

from trimtab import pocket
from trimtab.items import Item, MediaBytes, judge
from trimtab.models import from_parts
from trimtab.steering import DropModality, MeanDifference, NoSteering
from trimtab.studies import (
    Plan,
    control_rates,
    costs,
    counted,
    evaluate,
    evaluate_controls,
    joint_controls,
    make_controls,
    records,
    unimodal_controls,
)
from trimtab.studies.kit.bench import Bench
from trimtab.studies.steering import asking
from trimtab.studies.steering.items import POCKET_SCENES, StudyItems
from trimtab.testing import picture, tiny_model


def test_each_conflict_item_gives_one_control_of_each_modality(test_items):
    image, text = unimodal_controls(test_items[:1])
    assert (image.kind, image.item.context, image.item.answer_text) == ("image_only", "", "")
    assert (text.kind, text.item.image, text.item.answer_image) == ("text_only", None, "")
    assert judge(test_items[0].answer_image, image.item).label == "image"
    assert judge(test_items[0].answer_text, text.item).label == "text"
    (both,) = joint_controls(test_items[:1])
    assert judge(test_items[0].answer_image, both.item).label == "image"
    assert judge("nothing", both.item).label == "other"


def conflict(n: int, task: str, image: str, text: str) -> Item:
    buffer = BytesIO()
    picture(n).save(buffer, format="PNG")
    shown = {"context": f"It says {text}.", "image": MediaBytes(buffer.getvalue(), f"{n}.png")}
    return Item(str(n), task, "Which?", answer_image=image, answer_text=text, **shown)


APART = [conflict(0, "color", "red", "blue"), conflict(1, "count", "two", "six"), conflict(2, "count", "six", "red")]
VALID = {"color": ["red", "blue"], "count": ["two", "six"]}


def test_controls_of_two_modalities_are_made_of_other_tasks():
    found = make_controls(APART, 3, valid=VALID).made
    assert [len(own) for own in found.values()] == [3, 3, 3, 3, 3, 0]
    other, *_ = (control.item for control in found["irrelevant_text"])
    assert (other.context, other.answer, other.answer_text) == ("It says six.", "red", "")  # never that with "red"
    agreeing, *_ = (control.item for control in found["agreeing_text"])
    assert (agreeing.context, agreeing.answer) == ("It says red.", "red")
    swapped, *_ = (control.item for control in found["irrelevant_image"])
    assert (swapped.image in (APART[1].image, APART[2].image), swapped.answer) == (True, "blue")
    assert all(make_controls(APART, 3, valid=VALID, seed=s).made["irrelevant_text"][0].item == other for s in range(5))


def test_what_cannot_be_made_is_said():
    found = make_controls(APART[1:], 2, valid=VALID)
    assert {kind: len(own) for kind, own in found.made.items() if len(own) < 2} == {
        "irrelevant_text": 0,
        "irrelevant_image": 0,
        "both": 0,
    }
    assert set(found.short) == {"irrelevant_text", "irrelevant_image", "both"}
    hidden = [APART[0].replace(context="It says so."), APART[1]]
    assert len(make_controls(hidden, 2, valid=VALID).made["agreeing_text"]) == 1


def test_the_bundled_benchmark_has_texts_of_its_own_and_pictures_of_something_else():
    plan = Plan(control_items=12, test_items=32)
    with Bench(plan, "nowhere") as bench:
        items = StudyItems(plan, bench)
        found = items.controls(items.chosen)
    assert {kind: len(own) for kind, own in found.made.items()} == dict.fromkeys(found.made, 12)
    assert not found.short
    known = {record.id: record for record in pocket.items("test")}
    for control in found.made["irrelevant_text"]:
        assert control.item.context == known[control.item.id].irrelevant_context
    for control in found.made["agreeing_text"]:
        assert control.item.context == known[control.item.id].agreeing_context
        assert control.item.answer == known[control.item.id].answer_image
    pictures = {item.image: POCKET_SCENES.get(item.task) for item in items.chosen["test"]}
    for control in found.made["irrelevant_image"]:
        assert {pictures[control.item.image], POCKET_SCENES[control.item.task]} == {"people", "things"}
        assert control.item.answer == known[control.item.id].answer_text


def test_controls_are_compared_with_the_unsteered_answers_item_by_item():
    row = {"kind": "both", "model": "m", "method": "l2s", "target": "text", "strength": 1.0, "chosen": True}
    row |= {"collapsed": False, "divergence": 0.5}
    right = {0: [0] * 8 + [1] * 2, 1: [0] * 9 + [1]}
    answers = [
        {**row, "id": str(k), "right": bool(own[k]), "right_unsteered": True, "changed": k < 9, "seed": seed}
        for seed, own in right.items()
        for k in range(10)
    ]
    (one,) = control_rates([row for row in answers if row["seed"] == 0])
    assert (one["accuracy"], one["difference"], one["lost"], one["gained"], one["changed"]) == (0.2, -0.8, 8, 0, 0.9)
    assert one["p"] == one["p_holm"] == pytest.approx(2 / 2**8)
    (two,) = control_rates(answers)
    assert (two["seeds"], two["lowest"], two["highest"]) == (2, 0.1, 0.2)
    assert (two["n"], two["accuracy"], two["lost"]) == (10, pytest.approx(0.15), 8)  # of a mean seed


@pytest.fixture(scope="module")
def methods(model, test_items):
    drop, mean = DropModality("image").fit(model), MeanDifference("image").fit(model, test_items)
    return [NoSteering("image").fit(model), drop, mean]


def test_controls_are_asked_at_every_strength(model, test_items, methods):
    controls = unimodal_controls(test_items[:2])
    found = records(evaluate_controls(model, controls, methods, strengths=[4.0], max_new_tokens=2))
    assert len(found) == 4 * (1 + 1 + 2)
    plain = [row for row in found if row["method"] == "none"]
    assert all(row["divergence"] == pytest.approx(0, abs=1e-5) for row in plain)
    assert max(row["divergence"] for row in found if row["strength"] == 4.0) > 1e-4
    rates = control_rates(found)
    assert {row["kind"] for row in rates} == {"image_only", "text_only"}
    assert all((r["difference"], r["changed"], r["seeds"]) == (0, 0, 1) for r in rates if r["method"] == "none")


def test_divergences_do_not_depend_on_how_many_are_held(model, test_items, methods, monkeypatch):
    controls = unimodal_controls(test_items[:3])
    found = {}
    for held in (1, 6, 1000):
        monkeypatch.setattr(asking, "DISTRIBUTIONS", held)
        table = records(evaluate_controls(model, controls, methods, strengths=[4.0], max_new_tokens=2))
        found[held] = [row["divergence"] for row in table]
    assert found[6] == pytest.approx(found[1], abs=1e-5)
    assert found[1000] == pytest.approx(found[1], abs=1e-5)
    assert max(found[1]) > 1e-4


def test_a_divergence_is_from_its_own_control(model, test_items):
    """Two questions alike, about two texts: without the texts they are one prompt, which is asked once."""
    first, other = test_items[:2]
    alike = [first, other.replace(question=first.question)]
    controls = [control for control in unimodal_controls(alike) if control.kind == "text_only"]
    drop = DropModality("image").fit(model)
    together, *alone = (
        [row["divergence"] for row in records(evaluate_controls(model, own, [drop], max_new_tokens=2))]
        for own in (controls, *([control] for control in controls))
    )
    assert together == pytest.approx([own[0] for own in alone], abs=1e-5)
    assert abs(together[0] - together[1]) > 1e-3


def test_what_steering_breaks_beyond_numbers_is_collapsed(test_items):
    whole = tiny_model()
    half = from_parts(whole.hf.half(), whole.tokenizer, whole.image_processor, whole.chat_template, check=False)
    mean = MeanDifference("image").fit(half, test_items)
    strong = replace(mean, direction=torch.full((half.hidden_size,), 100.0), strength=9000.0)
    plain = NoSteering("image").fit(half)
    answers = records(evaluate(half, test_items[:2], [plain, strong], strengths=[1e-3], max_new_tokens=2).answers)
    broken = [row for row in answers if row["strength"] == 9000.0]
    assert all(row["collapsed"] and row["label"] == "other" for row in broken)
    assert all("not finite in float16 under AddVector" in row["reason"] for row in broken)
    assert not any("not finite" in row["reason"] for row in answers if row["strength"] != 9000.0)
    found = records(evaluate_controls(half, unimodal_controls(test_items[:2]), [plain, strong], max_new_tokens=2))
    lost = [row for row in found if row["method"] == "mean"]
    assert all(row["collapsed"] and math.isnan(row["divergence"]) for row in lost)
    assert {row["divergence"] for row in control_rates(found) if row["method"] == "mean"} == {None}
    costs(half, test_items[:1], [strong], max_new_tokens=2)


def test_the_work_of_an_answer_is_counted(model, test_items, methods):
    with counted(model) as work:
        pass
    assert work.passes == 0
    none, drop, mean = records(costs(model, test_items[:2], methods, max_new_tokens=2))
    assert none["passes"] == mean["passes"]
    assert drop["positions"] < none["positions"]
