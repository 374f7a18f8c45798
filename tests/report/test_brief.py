"""What a report says first: does it work, which method, at what price; and that few items are no finding."""

from typing import Any

import pytest

from trimtab.report import write_report
from trimtab.report.brief import briefs, in_words
from trimtab.report.circuits import claims_in_brief
from trimtab.report.hardening import hardening_in_brief
from trimtab.report.interference import interference_in_brief
from trimtab.report.measured import measured_in_brief


def test_each_case_says_whether_it_works_by_which_method_at_what_price(summary):
    image = briefs(summary)[0]
    assert image.case == "pocket-qwen toward the image"
    assert image.works == "Yes, with 4 of 4 methods: 20.0 % follow without."
    assert image.use == "AMPS: 80.0 % follow."
    assert image.price.startswith("1.7 % of answers collapse; ")
    text = briefs(summary)[1]
    assert text.use == "L2S: 86.7 % follow. Not shown to follow more or less: instruction and AMPS."


def control(method: str, difference: float, p_holm: float) -> dict[str, Any]:
    where = {"model": "pocket-qwen", "target": "image", "chosen": True, "kind": "text_only", "n": 48}
    return {**where, "method": method, "difference": difference, "p_holm": p_holm}


def test_what_loses_right_answers_is_not_what_to_use(summary):
    lost = [control("amps", -0.6, 0.001), control("l2s", -0.02, 1.0)]
    costs = [
        {"model": "pocket-qwen", "target": "image", "method": method, "positions": positions}
        for method, positions in (("none", 100.0), ("l2s", 150.0))
    ]
    image = briefs({**summary, "controls": lost, "costs": costs})[0]
    assert image.use.startswith("L2S: 50.0 % follow.")
    assert image.price == (
        "No answer collapses; 2.0 points of right answers are lost on text-only items (not shown on 48); 1.5 times the "
        "work of a plain answer."
    )
    harmful = {
        **summary,
        "controls": [control(method, -0.6, 0.001) for method in ("instruction", "mean", "l2s", "amps")],
    }
    assert "60.0 points of right answers are lost on text-only items" in briefs(harmful)[0].price


def test_few_items_and_no_effect_are_told_apart(summary):
    unshown = [{**r, "p_holm": 1.0} for r in summary["paired"]]
    image = briefs({**summary, "paired": unshown})[0]
    assert image.works.startswith("Not shown; on 60 items a shift below ")
    assert image.use == "None is shown to be worth it."
    few = [{**r, "n": 5} for r in summary["rows"]]
    assert briefs({**summary, "paired": unshown, "rows": few})[0].works == "Too few items to tell (5)."
    assert briefs({**summary, "rows": []}) == []


def test_methods_are_named_in_words_and_all_of_it_is_on_the_page(summary, run):
    named = dict(in_words(summary))
    assert named["none"] == "The model as it is; the target only says what counts as following."
    assert all(named.values())
    html = write_report(run).read_text(encoding="utf-8")
    for words in ("Does it work?", "Which method?", "At what price?", "The methods in words", named["AMPS"][:13]):
        assert words in html
    assert html.index("At what price?") < html.index("Case by case")


def test_claims_are_counted_and_few_items_are_no_claim():
    claims = [{"verdict": verdict} for verdict in ("yes", "no", "no", "unclear", "too few items")]
    assert claims_in_brief({"claims": claims}) == (
        "Of 5 claims 1 is shown here, 2 are shown not to hold, 1 is not shown either way and for 1 there are too few "
        "items."
    )


@pytest.mark.parametrize(
    ("n", "difference", "p_holm", "said"),
    [
        (80, -0.4, 0.001, "is shown to do harm in 1 of 1 kinds of item."),
        (80, -0.05, 0.25, "is shown to do harm in 0 of 1 kinds of item."),
        (6, -4 / 6, 0.25, "in 0 of 1 kinds of item; for 1 there are too few items to tell."),
    ],
)
def test_harm_is_counted_and_few_items_are_no_absence(n, difference, p_holm, said):
    from tests.report.test_few_items import summary_of

    assert interference_in_brief(summary_of(n, difference, p_holm)).endswith(said)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((0.55, 0.7), "(95 % interval 55 to 70, 40 items): the image weighs more."),
        ((0.3, 0.45), "(95 % interval 30 to 45, 40 items): the text weighs more."),
        ((0.4, 0.7), "(95 % interval 40 to 70, 40 items): neither is shown to weigh more."),
        ((None, None), "; 40 items are too few to say how sure that is."),
    ],
)
def test_a_measurement_says_which_modality_weighs_more(bounds, said):
    row = {"task": "all", "n": 40, "ratio": 0.5, "ratio_low": bounds[0], "ratio_high": bounds[1]}
    assert measured_in_brief([row], ("image", "text")).endswith(said)
    assert measured_in_brief([], ("image", "text")) == ""


def ablation(losses: dict[str, tuple[float, float, float]]) -> dict[str, Any]:
    where = {"relevant": "image", "n": 100, "clusters": 100}
    accuracy = [
        {**where, "variant": variant, "condition": condition, "accuracy": 0.9, "loss": loss, "loss_low": low,
         "loss_high": high}
        for variant, (loss, low, high) in losses.items()
        for condition in ("clean", "own_text", "worst unseen")
    ]  # fmt: skip
    cost = [{"variant": variant, "forward_equivalents": work} for variant, work in (("augmented", 2.0), ("kl", 4.0))]
    return {"accuracy": accuracy, "cost": cost}


def test_hardening_says_whether_it_helps_which_variant_and_its_price():
    shown = ablation({"vanilla": (0.4, 0.3, 0.5), "augmented": (0.2, 0.1, 0.3), "kl": (0.1, 0.0, 0.2)})
    ((case, answers),) = hardening_in_brief(shown)
    assert case == "where the image is relevant"
    assert answers == [
        "Yes: the worst unseen perturbation takes 40.0 points without.",
        "kl: it takes 10.0 points.",
        "0.0 points of clean answers; 2.0 times the work of plain augmentation.",
    ]
    unshown = ablation({"vanilla": (0.4, 0.1, 0.7), "kl": (0.1, 0.0, 0.2)})
    assert hardening_in_brief(unshown)[0][1][0].startswith("Not shown on 100 items: ")
