"""Items without a conflict: what is asked, what is right, what is lost."""

import math
from dataclasses import replace

import pytest
import torch

from trimtab.items import judge
from trimtab.models import from_parts
from trimtab.steering import DropModality, MeanDifference, NoSteering
from trimtab.studies import (
    control_rates,
    costs,
    counted,
    evaluate,
    evaluate_controls,
    joint_controls,
    records,
    unimodal_controls,
)
from trimtab.testing import tiny_model


def test_each_conflict_item_gives_one_control_of_each_modality(test_items):
    image, text = unimodal_controls(test_items[:1])
    assert (image.kind, image.item.context, image.item.answer_text) == ("image_only", "", "")
    assert (text.kind, text.item.image, text.item.answer_image) == ("text_only", None, "")
    assert judge(test_items[0].answer_image, image.item).label == "image"
    assert judge(test_items[0].answer_text, text.item).label == "text"
    (both,) = joint_controls(test_items[:1])
    assert judge(test_items[0].answer_image, both.item).label == "image"
    assert judge("nothing", both.item).label == "other"


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
    assert all(row["loss"] == 0 for row in rates if row["method"] == "none")


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
