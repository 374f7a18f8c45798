from dataclasses import replace

import pytest

from trimtab.errors import ArtifactError, UsageError
from trimtab.items import MediaBytes
from trimtab.steering import Instruction, MeanDifference, NoSteering
from trimtab.studies import ALL_TASKS, evaluate, records
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def artifacts(model, test_items):
    return [
        NoSteering("image").fit(model),
        NoSteering("text").fit(model),
        Instruction("image").fit(model),
        MeanDifference("image").fit(model, test_items),
    ]


def test_every_item_under_every_condition(model, test_items, artifacts):
    found = evaluate(model, test_items, artifacts, strengths=[0.5, 2.0])
    assert len(found.answers) == len(test_items) * (3 + 3)
    mean = [row for row in records(found.answers) if row["method"] == "mean"]
    assert sorted({row["strength"] for row in mean}) == [0.5, 1.0, 2.0]
    assert {row["strength"] for row in mean if row["chosen"]} == {1.0}
    assert found.receipt.positions > 0
    assert found.rates["task"].tolist().count(ALL_TASKS) == 6


def test_each_method_can_have_strengths_of_its_own(model, test_items, artifacts):
    other = replace(artifacts[-1], label="other")
    found = evaluate(model, test_items, [artifacts[0], artifacts[-1], other], strengths={"mean": [3.0], "none": [9.0]})
    tried = {(row["method"], row["strength"]) for row in records(found.answers)}
    assert tried == {("none", artifacts[0].strength), ("mean", 1.0), ("mean", 3.0), ("other", 1.0)}


def test_unsteered_answers_are_computed_once(model, test_items, artifacts):
    found = evaluate(model, test_items, artifacts[:2])
    assert found.cost.rows == len(test_items)
    image, text = (found.answers[found.answers["target"] == t] for t in ("image", "text"))
    assert image["prediction"].tolist() == text["prediction"].tolist()


def test_methods_alone_and_together_answer_alike(model, test_items, artifacts):
    together = evaluate(model, test_items, artifacts).answers
    alone = evaluate(model, test_items, artifacts[-1:]).answers
    assert together[together["method"] == "mean"]["prediction"].tolist() == alone["prediction"].tolist()


def test_a_corrupt_picture_is_skipped_and_counted(model, test_items, artifacts):
    broken = replace(test_items[0], image=MediaBytes(b"not a picture"))
    found = evaluate(model, [broken, *test_items[1:3]], artifacts[:1])
    assert found.answers["id"].tolist() == [i.id for i in test_items[1:3]]
    assert [s.row for s in found.skipped] == [1]
    with pytest.raises(UsageError, match="is corrupt"):
        evaluate(model, [broken], artifacts[:1])


def test_what_cannot_be_evaluated_is_refused(model, test_items, artifacts):
    with pytest.raises(UsageError, match="at least one fitted method"):
        evaluate(model, test_items, [])
    with pytest.raises(UsageError, match="call its fit"):
        evaluate(model, test_items, [NoSteering()])  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match="`protocol` of evaluate"):
        evaluate(model, test_items, artifacts, protocol="telepathy")
    with pytest.raises(UsageError, match="'mean' toward the image twice"):
        evaluate(model, test_items, [artifacts[-1], artifacts[-1].with_strength(2.0)])
    with pytest.raises(ArtifactError):
        evaluate(tiny_model("llava", layers=2, seed=1), test_items, artifacts)
