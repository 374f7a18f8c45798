import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pandas import DataFrame

from trimtab.study import ALL_TASKS, compare, contribution_rates, rates


def answer(i: int, label: str, *, collapsed: bool = False, target: str = "image", method: str = "l2s") -> dict:
    return {
        "id": f"i{i}",
        "task": ["color", "counting"][i % 2],
        "model": "m",
        "method": method,
        "target": target,
        "protocol": "open",
        "strength": 1.0,
        "label": label,
        "collapsed": collapsed,
    }


LABELS = st.lists(st.tuples(st.sampled_from(["image", "text", "other"]), st.booleans()), min_size=1, max_size=40)


@given(LABELS, st.sampled_from(["image", "text"]))
def test_following_opposite_and_other_sum_to_one(labels, target):
    rows = [
        answer(i, label, collapsed=label == "other" and broken, target=target)
        for i, (label, broken) in enumerate(labels)
    ]
    found = rates(DataFrame(rows))
    for row in found.to_dict("records"):
        assert row["following"] + row["opposite"] + row["other"] == pytest.approx(1)
        assert row["collapse"] <= row["other"]
        assert row["following_low"] <= row["following"] <= row["following_high"]
    total = found[found["task"] == ALL_TASKS].iloc[0]
    assert total["n"] == len(labels)
    assert total["following"] == pytest.approx(sum(label == target for label, _ in labels) / len(labels))


def test_rates_by_task():
    rows = [answer(0, "image"), answer(1, "text"), answer(2, "image"), answer(3, "other", collapsed=True)]
    found = rates(DataFrame(rows)).set_index("task")
    assert found.loc["color", ["n", "following", "collapse"]].tolist() == [2, 1, 0]
    assert found.loc["counting", ["opposite", "other", "collapse"]].tolist() == [0.5, 0.5, 0.5]
    assert list(found.index) == ["color", "counting", ALL_TASKS]


def test_compare_uses_the_items_both_were_tried_on():
    first = [answer(i, "image", method="amps") for i in range(4)]
    second = [answer(i, "text") for i in range(2, 8)]
    found = compare([*first, *second], {"method": "amps"}, {"method": "l2s"})
    assert (found.n, found.difference, found.first_only) == (2, 1, 2)


def test_items_without_a_ratio_do_not_count():
    rows = [{"task": "color", "ratio": r} for r in (0.2, 0.4, math.nan)] + [{"task": "counting", "ratio": math.nan}]
    found = {row["task"]: row for row in contribution_rates(rows)}
    assert found["color"]["n"] == found[ALL_TASKS]["n"] == 2
    assert found["color"]["ratio"] == pytest.approx(0.3)
    assert "counting" not in found
