"""A method that takes its layer and strength from another: a control that pushes as hard at the same place."""

import json
from dataclasses import replace

import pytest

from trimtab.errors import UsageError
from trimtab.modalities import PAIR
from trimtab.studies import Plan
from trimtab.studies.steering.fitting import candidates

VARIANTS = {"control": {"method": "random", "chosen_as": "l2s"}}


def test_it_stands_where_the_other_does_with_every_seed(run, plan, tmp_path):
    wanted = replace(plan, methods=("none", "l2s", "control"), variants=VARIANTS, strengths=(0.5, 3.0), seeds=(0, 1))
    found = json.loads((run(tmp_path, wanted) / "summary.json").read_text())
    at = {(a["method"], a["target"]): (a["layer"], a["strength"]) for a in found["artifacts"]}
    assert all(at["control", target] == at["l2s", target] for target in PAIR)
    assert all(row["seeds"] == 5 for row in found["seeds"] if row["method"] == "control")
    swept = {(row["method"], row["strength"]) for row in found["sweep"]}
    assert {("l2s", 0.5), ("l2s", 3.0), ("control", 0.5), ("control", 3.0)} <= swept
    assert ("control", "l2s") in {(row["method"], row["baseline"]) for row in found["paired"]}


def test_it_tries_no_candidates(plan):
    wanted = replace(plan, methods=("none", "l2s", "control"), variants=VARIANTS)
    assert candidates(wanted, "control", "image") == 0
    assert candidates(wanted, "l2s", "image") > 0


@pytest.mark.parametrize(
    ("methods", "variants", "rule"),
    [
        (("none", "control", "l2s"), VARIANTS, "stands before it"),
        (("none", "drop", "control"), {"control": {"method": "random", "chosen_as": "drop"}}, "adds a vector"),
        (("none", "l2s", "control"), {"control": {"method": "drop", "chosen_as": "l2s"}}, "must add one itself"),
        (
            ("none", "l2s", "control"),
            {"control": {"method": "random", "chosen_as": "l2s", "strengths": [2.0]}},
            "leave out strengths",
        ),
    ],
)
def test_what_has_no_layer_to_take_is_refused(methods, variants, rule):
    with pytest.raises(UsageError, match=rule):
        Plan(methods=methods, variants=variants)
