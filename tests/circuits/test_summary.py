"""Rates, repairs and losses from tables made by hand."""

import numpy as np
import pytest

from trimtab.modalities import PAIR, Modality
from trimtab.studies.circuits.losses import ability_changes, following_lost, share_lost
from trimtab.studies.circuits.summary import condition_rates, perplexities, recovery

TRIO: tuple[Modality, ...] = ("image", "text", "audio")


def answer(condition: str, measure: str, item: str, correct: bool, label: str = "") -> dict:
    label = label or ("image" if correct else "text")
    opposite = not correct and label != "other"
    row = {"condition": condition, "measure": measure, "id": item, "task": "color", "label": label}
    return {**row, "correct": correct, "opposite": opposite, "collapsed": label == "other"}


def test_rates_are_counted_and_compared_on_the_same_questions():
    rows = [answer("intact", m, str(i), True) for m in ("image", "text") for i in range(4)]
    rows += [answer("blocked", "image", str(i), i == 0) for i in range(4)]
    rows += [answer("blocked", "text", str(i), True, "text") for i in range(3)]
    rows += [answer("blocked", "text", "3", False, "other")]
    found = {(r["condition"], r["measure"]): r for r in condition_rates(rows)}
    assert found["intact", "following"]["rate"] == 1.0
    assert found["intact", "following"]["difference"] == 0.0
    blocked = found["blocked", "following"]
    assert (blocked["n"], blocked["rate"], blocked["difference"]) == (8, 0.5, -0.5)
    assert (blocked["opposite"], blocked["other"], blocked["collapse"]) == (3 / 8, 1 / 8, 1 / 8)
    assert found["blocked", "image"]["difference"] == -0.75
    assert found["blocked", "image"]["rate_low"] < 0.25 < found["blocked", "image"]["rate_high"]


def test_repairs_count_able_items_apart_and_what_breaks():
    rows = []
    for number, (before, after, sees) in enumerate(
        [(True, True, True), (True, False, True), (False, True, True), (False, True, False), (False, False, True)]
    ):
        rows += [answer("intact", "image", str(number), before), answer("x2", "image", str(number), after)]
        rows += [answer("intact", "image only", str(number), sees), answer("intact", "text only", str(number), True)]
    found = {row["target"]: row for row in recovery(rows, "x2", PAIR)}["image"]
    assert (found["failed"], found["repaired"]) == (3, 2 / 3)
    assert (found["able_failed"], found["able_repaired"]) == (2, 0.5)
    assert (found["followed"], found["broken"]) == (2, 0.5)
    assert found["net"] == pytest.approx(0.2)
    nothing = {row["target"]: row for row in recovery(rows, "x2", PAIR)}["text"]
    assert (nothing["failed"], nothing["repaired"], nothing["net"]) == (0, None, 0.0)


def test_perplexity_weighs_tokens():
    rows = [{"condition": "intact", "id": "a", "nats": 0.0, "tokens": 3}]
    rows += [{"condition": "intact", "id": "b", "nats": 4.0, "tokens": 1}]
    assert perplexities(rows)[0]["perplexity"] == pytest.approx(2.71828, rel=1e-4)


def test_repairs_of_three_modalities_want_each_of_them_alone():
    rows = [answer(c, m, "0", c == "x2") for c in ("intact", "x2") for m in TRIO]
    rows += [answer("intact", f"{m} only", "0", True) for m in PAIR]
    found = {row["target"]: row for row in recovery(rows, "x2", TRIO)}
    assert list(found) == [*TRIO, "all"]
    assert (found["all"]["failed"], found["all"]["repaired"], found["all"]["able_failed"]) == (3, 1.0, 0)
    rows.append(answer("intact", "audio only", "0", True))
    assert recovery(rows, "x2", TRIO)[-1]["able_failed"] == 3


def test_answers_to_one_item_count_together():
    rows = [answer("intact", m, str(i), True) for m in PAIR for i in range(12)]
    rows += [answer("blocked", m, str(i), i > 7) for m in PAIR for i in range(12)]
    found = {(r["condition"], r["measure"]): r for r in condition_rates(rows)}
    both, one = found["blocked", "following"], found["blocked", "image"]
    assert (both["n"], both["items"], one["items"]) == (24, 12, 12)
    assert both["p"] == pytest.approx(one["p"]) == pytest.approx(2 / 2**8)
    assert (both["rate_low"], both["rate_high"]) == pytest.approx((one["rate_low"], one["rate_high"]), abs=1e-6)


def test_what_is_lost_above_chance_has_an_interval():
    generator = np.random.default_rng(0)
    intact = generator.choice([0.5, 1.0], 60, p=[0.2, 0.8])
    blocked = np.where(generator.random(60) < 0.7, 0.5, intact)
    own, wider = (share_lost(intact, blocked, 0.5, comparisons=count) for count in (1, 5))
    assert own is not None
    assert wider is not None
    assert own.value == pytest.approx((intact - blocked).sum() / (intact - 0.5).sum())
    ends = [wider.low, own.low, own.value, own.high, wider.high]
    assert None not in ends
    assert ends == sorted(ends, key=lambda end: end or 0.0)


def test_what_all_items_lose_alike_is_not_known_to_the_last_bit():
    all_lost = share_lost(np.ones(20), np.full(20, 0.5), 0.5)
    unseen = 0.168433  # of 20 items
    assert all_lost is not None
    assert all_lost.value == 1
    assert all_lost.low == pytest.approx(((1 - unseen) * 0.5 - unseen) / ((1 - unseen) * 0.5 - unseen * 0.5), abs=1e-5)
    assert share_lost(np.full(20, 0.5), np.full(20, 0.5), 0.5) is None
    assert share_lost(np.full(4, 0.6), np.full(4, 0.5), 0.5) == (pytest.approx(1), None, None)


def test_losses_are_those_of_each_set_and_ability():
    rows = [answer("intact", m, str(i), True) for m in (*PAIR, "image only") for i in range(10)]
    rows += [answer("blocked", m, str(i), m != "text") for m in PAIR for i in range(10)]
    rows += [answer("random 1", m, str(i), True) for m in PAIR for i in range(10)]
    rows += [answer("blocked", "image only", str(i), i > 0) for i in range(10)]
    found = {row["condition"]: row for row in following_lost(rows, PAIR)}
    assert (found["blocked"]["lost"], found["random 1"]["lost"], found["blocked"]["items"]) == (1, 0, 10)
    assert found["random 1"]["lost_low"] < 0 < found["random 1"]["lost_high"]
    (kept,) = ability_changes(rows, ["image only"])
    assert (kept["difference"], kept["n"]) == (-0.1, 10)
    assert kept["low"] < -0.1 <= kept["high"]
