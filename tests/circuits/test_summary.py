"""Rates, repairs and verdicts from tables made by hand."""

import pytest

from trimtab.modalities import PAIR, Modality
from trimtab.studies.circuits import Claim, answer_claims
from trimtab.studies.circuits.claims import (
    abilities_kept,
    no_direct_path,
    repair,
    semantic_inertia,
    shallow_transfer,
    sparse_heads,
)
from trimtab.studies.circuits.summary import (
    condition_rates,
    deep_sums,
    flow_curves,
    layer_curves,
    perplexities,
    recovery,
)

TRIO: tuple[Modality, ...] = ("image", "text", "audio")


def about(*modalities: str, **found: object) -> dict:
    """A summary of a study whose items set these modalities against each other; image and text, if none are given."""
    return {"baseline": [{"target": target} for target in modalities or PAIR], **found}


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


def test_flow_curves_average_cases_and_count_flips():
    row = {"edge": "image to last", "target": "image", "layer": 0, "effect": -1.0, "change": -2.0}
    rows = [{**row, "label_before": "following", "label_after": after} for after in ("following", "opposite")]
    (curve,) = flow_curves([*rows, {**row, "effect": 2.0, "label_before": "other", "label_after": "other"}])
    assert (curve["n"], curve["effect"], curve["flips"]) == (3, 0.0, 0.5)
    assert curve["effect_low"] <= 0 <= curve["effect_high"]


def layer_rows() -> tuple[list[dict], list[dict]]:
    baseline = [
        {"id": "a", "target": "image", "label": "following", "prior": -1.0},
        {"id": "b", "target": "image", "label": "opposite", "prior": -2.0},
        {"id": "c", "target": "image", "label": "following", "prior": 3.0},
    ]
    rows = [
        {"id": i, "target": "image", "layer": layer, "attention": 1.0 + layer, "mlp": -1.0 if i == "b" else 0.5}
        for i in "abc"
        for layer in range(4)
    ]
    return rows, baseline


def test_layers_are_split_by_outcome_and_prior():
    curves = {(r["outcome"], r["prior"], r["layer"]): r for r in layer_curves(*layer_rows())}
    assert curves["all", "all", 2]["n"] == 3
    assert curves["failure", "all", 2]["mlp"] == -1.0
    assert curves["success", "against", 3]["attention"] == 4.0
    assert ("failure", "for", 0) not in curves
    sums = {row["outcome"]: row for row in deep_sums(*layer_rows(), n_layers=4)}
    assert sums["all"]["n"] == 2
    assert sums["all"]["attention"] == 7.0
    assert sums["failure"]["mlp"] == -2.0


def test_perplexity_weighs_tokens():
    rows = [{"condition": "intact", "id": "a", "nats": 0.0, "tokens": 3}]
    rows += [{"condition": "intact", "id": "b", "nats": 4.0, "tokens": 1}]
    assert perplexities(rows)[0]["perplexity"] == pytest.approx(2.71828, rel=1e-4)


def effect(edge: str, target: str, layer: int, value: float, width: float = 0.1) -> dict:
    return {"edge": edge, "target": target, "layer": layer, "n": 20} | {
        "effect": value,
        "effect_low": value - width,
        "effect_high": value + width,
    }


def flow(layer: int, value: float, direct: float = 0.0, control: float | None = 0.0) -> dict:
    curves = [
        effect(edge, target, layer, value)
        for edge, target in (("image to instruction", "image"), ("context to instruction", "text"))
    ]
    controls = {"random for image to instruction": "image", "random for context to instruction": "text"}
    curves += [effect(edge, target, layer, control) for edge, target in controls.items() if control is not None]
    return about(model={"layers": 11}, flow=[*curves, effect("image to last", "image", layer, direct)])


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        (flow(4, -1.0), "yes"),
        (flow(9, -1.0), "no"),
        (flow(4, 0.0), "no"),
        (flow(4, -0.005), "no"),
        (flow(4, -1.0, control=-1.2), "unclear"),
        (flow(4, -1.0, control=None), "unclear"),
    ],
)
def test_transfer_must_be_low_shallow_and_beyond_the_control(summary, verdict):
    assert shallow_transfer(summary).verdict == verdict


def test_without_items_that_follow_both_instructions_the_flow_says_nothing():
    nothing = about(model={"layers": 11}, flow=[])
    for claim in (shallow_transfer(nothing), no_direct_path(nothing, "image")):
        assert (claim.verdict, claim.cases) == ("unclear", 0)
        assert "no item follows both" in claim.evidence


@pytest.mark.parametrize(("direct", "verdict"), [(0.05, "yes"), (-0.2, "unclear"), (-0.6, "no")])
def test_a_direct_path_is_judged_beside_the_one_through_the_instruction(direct, verdict):
    assert no_direct_path(flow(4, -1.0, direct), "image").verdict == verdict


def sums(mlp: float, attention: float) -> dict:
    row = {"outcome": "all", "n": 5}
    for name, value in (("mlp", mlp), ("attention", attention)):
        row |= {name: value, f"{name}_low": value - 0.5, f"{name}_high": value + 0.5}
    return {"deep_sums": [row]}


@pytest.mark.parametrize(
    ("summary", "verdict"),
    [
        (sums(-1, 1), "yes"),
        (sums(1, 1), "no"),
        (sums(-1, -1), "no"),
        (sums(0, 1), "unclear"),
        ({"deep_sums": []}, "unclear"),
    ],
)
def test_inertia_needs_mlps_against_and_attention_for_the_instruction(summary, verdict):
    assert semantic_inertia(summary).verdict == verdict


@pytest.mark.parametrize(
    ("intact", "blocked", "drawn", "verdict", "smallest"),
    [
        (1.0, 0.5, -0.02, "yes", "has 5 heads"),
        (1.0, 0.2, -0.2, "unclear", "has 5 heads"),
        (1.0, 0.9, 0.0, "no", "has 9 heads"),
        (0.9, 0.7, 0.0, "unclear", "has 9 heads"),
        (0.9, 0.5, -0.4, "no", "has 5 heads"),
        (0.5, 0.2, 0.0, "unclear", "no set"),
    ],
)
def test_few_heads_carry_what_is_followed_above_chance_only_if_random_ones_do_not(
    intact, blocked, drawn, verdict, smallest
):
    rates = [
        {"condition": c, "measure": "following", "rate": intact + d, "difference": d, "n": 40}
        for c, d in (("intact", 0.0), ("blocked", blocked - intact), ("random 1", drawn), ("random amplified x2", -0.3))
    ]
    rates.append({"condition": "blocked top 9", "measure": "following", "rate": 0.3, "difference": 0.3 - intact})
    found = sparse_heads(about(rates=rates, choice={"share": 0.05, "count": 5}))
    assert found.verdict == verdict
    assert smallest in found.evidence
    assert found.cases == 20  # 40 answers are of 20 items, each under both instructions


@pytest.mark.parametrize(
    ("share", "failed", "net", "verdict"), [(0.6, 20, 0.1, "yes"), (None, 0, 0.0, "unclear"), (0.1, 20, 0.1, "no")]
)
def test_repair_needs_failures_and_a_gain(share, failed, net, verdict):
    row = {"target": "both", "able_repaired": share, "able_failed": failed, "broken": 0.0, "followed": 5, "net": net}
    assert repair(about(recovery=[row], choice={"amplification": "amplified x2"})).verdict == verdict


def test_too_few_cases_give_no_verdict(monkeypatch):
    import trimtab.studies.circuits.claims as module

    sure = Claim("It is so.", "yes", "all of them", "yes: always", 9)
    for name in ("shallow_transfer", "no_direct_path", "deep_arbitration", "latent_agreement", "semantic_inertia"):
        monkeypatch.setattr(module, name, lambda _summary, **_of: sure)
    for name in ("sparse_heads", "abilities_kept", "repair"):
        monkeypatch.setattr(module, name, lambda _summary: sure._replace(cases=10))
    found = answer_claims(about())
    assert [claim.verdict for claim in found] == ["unclear"] * 5 + ["yes"] * 3
    assert found[0].evidence == "all of them; only 9 cases"


def test_what_rounds_to_nothing_has_no_sign():
    (row,) = sums(-0.0001, 1)["deep_sums"]
    evidence = semantic_inertia({"deep_sums": [row]}).evidence
    assert "-0.000" not in evidence
    assert "−" in semantic_inertia(sums(-1, 1)).evidence


def test_of_three_modalities_a_third_is_followed_by_chance():
    rates = [
        {"condition": c, "measure": "following", "rate": rate, "difference": rate - 0.9, "n": 60}
        for c, rate in (("intact", 0.9), ("blocked", 0.5), ("random 1", 0.88))
    ]
    choice = {"share": 0.05, "count": 5}
    of_two, of_three = (sparse_heads(about(*named, rates=rates, choice=choice)) for named in (PAIR, TRIO))
    assert "100% of what is above one half" in of_two.evidence
    assert "71% of what is above 1/3" in of_three.evidence
    assert "follows of 3 opposite instructions" in of_three.rule
    assert (of_two.cases, of_three.cases) == (30, 20)


def test_every_claim_names_the_modalities_of_the_items():
    curves = [effect("audio to last", "audio", 4, 0.0), effect("audio to instruction", "audio", 4, -1.0)]
    direct = no_direct_path(about("text", "audio", flow=curves), "audio")
    assert direct.claim == "There is no direct path from the audio to the last token."
    assert direct.verdict == "yes"
    assert "of audio to instruction" in direct.rule
    row = {"condition": "blocked", "difference": 0.0, "difference_high": 0.0, "n": 9}
    rates = [{**row, "measure": f"{alone} only"} for alone in TRIO]
    kept = abilities_kept(about(*TRIO, rates=rates, abilities=[r["measure"] for r in rates]))
    assert kept.claim == "Blocking these heads preserves seeing and reading and hearing."
    nothing = about(*TRIO, model={"layers": 11}, flow=[])
    assert "audio: no item follows all instructions" in shallow_transfer(nothing).evidence
    assert "for all instructions; no: none hurts" in shallow_transfer(nothing).rule


def test_repairs_of_three_modalities_want_each_of_them_alone():
    rows = [answer(c, m, "0", c == "x2") for c in ("intact", "x2") for m in TRIO]
    rows += [answer("intact", f"{m} only", "0", True) for m in PAIR]
    found = {row["target"]: row for row in recovery(rows, "x2", TRIO)}
    assert list(found) == [*TRIO, "all"]
    assert (found["all"]["failed"], found["all"]["repaired"], found["all"]["able_failed"]) == (3, 1.0, 0)
    rows.append(answer("intact", "audio only", "0", True))
    assert recovery(rows, "x2", TRIO)[-1]["able_failed"] == 3
