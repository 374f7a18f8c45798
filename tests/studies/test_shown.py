"""Conflict work takes items that show what their answers rest on; what is wrong is said before anything is fitted."""

import logging
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from tests.conflicts import make_items

from trimtab.errors import DataError, UsageError
from trimtab.items import MediaBytes, MediaFile
from trimtab.models import Model
from trimtab.steering import L2S, MeanDifference, NoSteering, tune
from trimtab.studies import Plan, evaluate
from trimtab.studies.kit.bench import Bench
from trimtab.studies.kit.media import KeptMedium
from trimtab.studies.steering.items import StudyItems
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llava", layers=2, check=False)


def test_items_without_what_they_speak_of_are_left_out(model: Model):
    items = make_items("test")
    blind = [items[0].replace(image=None), items[1].replace(context="")]
    found = evaluate(model, [*blind, *items[2:]], [NoSteering("image").fit(model)], max_new_tokens=2)
    assert [one.row for one in found.skipped] == [1, 2]
    assert "there is no image" in found.skipped[0].reason
    assert "there is no context" in found.skipped[1].reason
    fitted = MeanDifference("image").fit(model, [*blind, *items[2:]])
    assert fitted.metrics["train"]["skipped"] == 2
    with pytest.raises(UsageError, match="none of 2 can: item .* there is no image"):
        L2S("image").fit(model, blind)


def test_choosing_on_what_was_learned_from_is_said(model: Model, caplog: pytest.LogCaptureFixture):
    items = make_items("train")
    with caplog.at_level(logging.WARNING):
        tune(MeanDifference("image"), model, items, items[:2], [1], (1.0,), max_new_tokens=2)
    assert any("2 of the 2 validation items are training items too" in message for message in caplog.messages)


def test_strengths_are_numbers_of_methods_that_are_evaluated(model: Model):
    items, methods = make_items("test"), [NoSteering("image").fit(model)]
    with pytest.raises(UsageError, match=r"must be of methods that are evaluated \(none\); got 'meen'"):
        evaluate(model, items, methods, strengths={"meen": [2.0]})
    for wrong in (2.0, ["a"], {"none": 2.0}):
        with pytest.raises(UsageError, match="`strengths` of evaluate must be"):
            evaluate(model, items, methods, strengths=wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="`artifacts` of evaluate must be a list"):
        evaluate(model, items, methods[0])  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("wrong", [{"strengths": 1.0}, {"strengths": ["a"]}, {"layers": 2}])
def test_what_is_chosen_from_is_a_list(wrong: dict, model: Model):
    with pytest.raises(UsageError, match=f"`{next(iter(wrong))}` of tune must be"):
        tune(MeanDifference("image"), model, make_items("train"), make_items("validation"), **wrong)
    with pytest.raises(UsageError, match="`method` of tune must be a method"):
        tune("mean", model, make_items("train"), make_items("validation"))  # pyright: ignore[reportArgumentType]


def test_a_split_of_which_nothing_can_be_read_ends_a_study_before_it_begins(tmp_path: Path):
    items = {split: list(make_items(split)) for split in ("train", "validation", "test")}
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"none")
    items["test"] = [item.replace(image=MediaFile(broken)) for item in items["test"]]
    plan = Plan(data="own")
    bench = Bench(plan, tmp_path, read=lambda source: items[source.split(":")[1]])  # pyright: ignore
    study = StudyItems(plan, bench)
    with pytest.raises(DataError, match="must have a readable item in the split 'test'; none of 6 is: item"):
        study.opened  # noqa: B018 - it is read


def test_large_pictures_are_not_kept():
    def source(side: int) -> KeptMedium:
        buffer = BytesIO()
        Image.new("RGB", (side, side)).save(buffer, format="PNG")
        return KeptMedium(MediaBytes(buffer.getvalue(), "a.png"))

    small, large = source(10), source(1500)
    assert small.open() is small.open()
    assert large.open() is not large.open()
    assert large.open().size == (1500, 1500)
