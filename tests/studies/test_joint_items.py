"""Items that need both modalities, to learn from: those methods get that ask for them, and no others."""

import pytest
from tests.conflicts import make_items

from trimtab.errors import UsageError
from trimtab.modalities import PAIR
from trimtab.steering import LearnedTrim, NoSteering, TrainingSet
from trimtab.studies import Plan
from trimtab.studies.kit.bench import Bench
from trimtab.studies.steering.fitting import fit_again, fit_method
from trimtab.studies.steering.items import JOINT, JOINT_TRAIN, StudyItems

METHODS = ("none", "learned_trim")
PLAN = Plan(methods=METHODS, variants={"learned_trim": {"joint_items": 3}}, control_items=2, seeds=(0, 1))


def test_they_are_training_items_of_their_own(tmp_path):
    items = StudyItems(PLAN, Bench(PLAN, tmp_path)).chosen
    assert [item.relevant for item in items[JOINT_TRAIN]] == [PAIR] * 3
    assert len(items[JOINT]) == 2
    assert not {item.id for item in items[JOINT_TRAIN]} & {item.id for item in items[JOINT]}
    plain = Plan(methods=METHODS, control_items=2)
    assert not StudyItems(plain, Bench(plain, tmp_path)).chosen[JOINT_TRAIN]


def test_a_method_learns_from_them_only_if_it_asks(model, monkeypatch):
    given = []

    def fit(self, model, items, _progress=None):
        given.append((self.seed, list(items)))
        return NoSteering(self.target).fit(model)

    monkeypatch.setattr(LearnedTrim, "fit", fit)
    items, joint = make_items("train", 4), make_items("joint", 5)
    train = TrainingSet(model, items, [0])
    first = fit_method(PLAN, "learned_trim", "image", train, items, joint)
    fit_again(PLAN, "learned_trim", first, 1, train, joint)
    assert given == [(0, [*items, *joint[:3]]), (1, [*items, *joint[:3]])]
    monkeypatch.setattr(NoSteering, "fit", lambda _self, _model, items, *_: given.append(items) or first)
    fit_method(PLAN, "none", "image", train, items, joint)
    assert given[-1] is train


def test_a_number_below_one_is_refused():
    with pytest.raises(UsageError, match="`joint_items` of the variant 'learned_trim'"):
        Plan(methods=METHODS, variants={"learned_trim": {"joint_items": 0}})
