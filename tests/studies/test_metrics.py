import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas import DataFrame

from trimtab.studies import (
    ALL_TASKS,
    by_modalities,
    compare,
    contribution_rates,
    oracle_rates,
    preference_rates,
    rates,
    records,
    seed_rates,
)


def answer(
    i: int, label: str, *, collapsed: bool = False, target: str = "image", method: str = "l2s", strength: float = 1.0
) -> dict:
    return {
        "id": f"i{i}",
        "task": ["color", "counting"][i % 2],
        "model": "m",
        "method": method,
        "target": target,
        "protocol": "open",
        "strength": strength,
        "label": label,
        "collapsed": collapsed,
        "chosen": strength == 1.0,
        "reason": "",
    }


LABELS = st.lists(st.tuples(st.sampled_from(["image", "text", "other"]), st.booleans()), min_size=1, max_size=40)


@settings(deadline=None)  # the first example imports scipy
@given(LABELS, st.sampled_from(["image", "text"]))
def test_following_opposite_and_other_sum_to_one(labels, target):
    rows = [
        answer(i, label, collapsed=label == "other" and broken, target=target)
        for i, (label, broken) in enumerate(labels)
    ]
    found = rates(DataFrame(rows))
    for row in found.to_dict("records"):
        assert row["following"] + row["others"] + row["other"] == pytest.approx(1)
        assert row["collapse"] <= row["other"]
        assert row["following_low"] <= row["following"] <= row["following_high"]
    total = found[found["task"] == ALL_TASKS].iloc[0]
    assert total["n"] == len(labels)
    assert total["following"] == pytest.approx(sum(label == target for label, _ in labels) / len(labels))


def test_rates_by_task():
    rows = [answer(0, "image"), answer(1, "text"), answer(2, "image"), answer(3, "other", collapsed=True)]
    found = rates(DataFrame(rows)).set_index("task")
    assert found.loc["color", ["n", "following", "collapse"]].tolist() == [2, 1, 0]
    assert found.loc["counting", ["others", "other", "collapse"]].tolist() == [0.5, 0.5, 0.5]
    assert list(found.index) == ["color", "counting", ALL_TASKS]


def test_compare_uses_the_items_both_were_tried_on():
    first = [answer(i, "image", method="amps") for i in range(4)]
    second = [answer(i, "text") for i in range(2, 8)]
    found = compare([*first, *second], {"method": "amps"}, {"method": "l2s"})
    assert (found.n, found.difference, found.first_only) == (2, 1, 2)


def test_items_without_a_ratio_do_not_count():
    of = [("color", 0.2), ("color", 0.4), ("color", math.nan), ("counting", math.nan)]
    rows = [{"task": task, "image": 1.0, "text": 1.0, "ratio": ratio} for task, ratio in of]
    found = {row["task"]: row for row in contribution_rates(rows)}
    assert found["color"]["n"] == found[ALL_TASKS]["n"] == 2
    assert found["color"]["ratio"] == pytest.approx(0.3)
    assert "counting" not in found


def test_one_item_says_little_of_a_ratio_and_nothing_of_a_synergy():
    row = {"item_id": "0", "task": "color", "image": 0.2, "text": 0.8, "ratio": 0.2, "synergy": -0.7}
    found = contribution_rates([row])[0]
    assert (found["ratio_low"], found["ratio_high"]) == pytest.approx((0.005, 0.98))  # 0.975 of other items may differ
    assert (found["synergy"], found["synergy_low"], found["synergy_high"]) == (-0.7, None, None)


def test_items_of_other_modalities_are_averaged_apart():
    pair = {"item_id": "0", "task": "color", "image": 0.2, "text": 0.8, "ratio": 0.2}
    heard = {"item_id": "1", "task": "color", "image": 0.3, "audio": 0.7, "share_image": 0.3, "share_audio": 0.7}
    both = [pair, heard, {**pair, "item_id": "2", "task": "counting", "ratio": 0.6}]
    for rows in (both, records(DataFrame(both))):  # in a table, what was not measured is NaN
        found = contribution_rates(rows)
        assert [(row["task"], row["n"]) for row in found] == [
            ("color", 1), ("counting", 1), (ALL_TASKS, 2), ("color", 1), (ALL_TASKS, 1),
        ]  # fmt: skip
        assert [row.get("ratio") for row in found] == pytest.approx([0.2, 0.6, 0.4, None, None])
        assert [row.get("share_audio") for row in found] == pytest.approx([None, None, None, 0.7, 0.7])
        assert by_modalities(found) == {("image", "text"): found[:3], ("image", "audio"): found[3:]}


def swept() -> list[dict]:
    """Four items: the vector turns the first at strength 1, the second at 2, the third at neither."""
    rows = [answer(i, "image" if i == 3 else "text", method="none", strength=0.0) for i in range(4)]
    for strength, turned in ((1.0, {0}), (2.0, {1})):
        rows += [answer(i, "image" if i in turned else "text", strength=strength) for i in range(4)]
    return [{**row, "chosen": row["chosen"] or row["method"] == "none"} for row in rows]


def test_the_oracle_takes_each_items_best_strength_or_none():
    (found,) = oracle_rates(swept())
    assert (found["method"], found["n"], found["strengths"]) == ("l2s", 4, 2)
    assert (found["following"], found["best_fixed"]) == (0.75, 0.25)
    assert found["beside"] == {"none": 0.25, "l2s": 0.25}


def test_preferences_split_items_by_their_unsteered_answer():
    rows = [r for r in preference_rates(swept()) if r["method"] == "l2s" and r["strength"] == 1.0]
    assert {(r["preference"], r["n"], r["following"]) for r in rows} == {("text", 3, 1 / 3), ("image", 1, 0.0)}


def test_answers_of_several_seeds_to_one_item_are_one_cluster():
    row = {"task": "t", "model": "m", "target": "image", "protocol": "open", "strength": 1.0, "collapsed": False}
    row |= {"reason": "", "chosen": True}

    def answers(method: str, seeds: int, hits: int) -> list[dict]:
        followed = ["image" if k < hits else "text" for k in range(20)]
        return [
            {**row, "method": method, "id": str(k), "seed": seed, "label": label if seed < 2 else "text"}
            for seed in range(seeds)
            for k, label in enumerate(followed)
        ]

    one, two, three = answers("plain", 1, 4), answers("two", 2, 12), answers("three", 3, 12)
    once, twice = (
        compare(rows, {"method": m}, {"method": "plain"})
        for rows, m in (([*one, *answers("once", 1, 12)], "once"), ([*one, *two], "two"))
    )
    assert (once.n, once.difference, once.first_only) == (twice.n, twice.difference, twice.first_only) == (20, 0.4, 8)
    assert twice.p == pytest.approx(once.p)  # the second seed says nothing that the first did not
    assert compare([*two, *three], {"method": "three"}, {"method": "two"}).difference == pytest.approx(-0.2)
    (total,) = (r for r in records(rates(DataFrame(three))) if r["task"] == "all")
    assert (total["n"], total["following"]) == (20, pytest.approx(0.4))
    (spread,) = seed_rates(three)
    assert (spread["seeds"], spread["lowest"], spread["highest"]) == (3, 0.0, 0.6)
    assert seed_rates(one) == []
