"""What a report says when the items are too few, or show nothing."""

from typing import Any

from trimtab.report.interference import interference_verdicts


def summary_of(n: int, difference: float, p_holm: float, conditions: int = 4) -> dict[str, Any]:
    where = {"way": "plain", "scoring": "options", "relevant": "image"}
    clean = {**where, "slice": "all", "condition": "clean", "n": n, "clusters": n, "difference": None, "p_holm": None}
    bounds = {"difference_low": difference - 0.1, "difference_high": difference + 0.1}
    tried = [
        {**clean, "condition": f"text {k}", "difference": difference, "p_holm": p_holm, **bounds}
        for k in range(conditions)
    ]
    return {"worst": [{**where, "n": n, "clusters": n, "always": 0.5}], "effects": [clean, *tried]}


def test_few_items_are_not_absence():
    (sentence,) = interference_verdicts(summary_of(6, -4 / 6, 0.25))
    assert "too few items to tell: the largest loss seen is 66.7 points" in sentence
    assert "at least 8 that are about different things must flip" in sentence


def test_what_is_not_shown_comes_with_what_could_have_been():
    (sentence,) = interference_verdicts(summary_of(80, -0.05, 0.25))
    assert "no text that was tried is shown to lower accuracy" in sentence
    assert "the largest loss seen is 5.0 points, and a loss below 10.0 points could not have been shown" in sentence


def test_what_is_shown_is_said():
    (sentence,) = interference_verdicts(summary_of(80, -0.4, 0.001))
    assert "lowers accuracy by 40.0 points" in sentence
