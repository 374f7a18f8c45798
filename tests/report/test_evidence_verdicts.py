"""The rule of the page of evidence: what a number with its interval says to a claim."""

import pytest
from benchmarks.evidence.verdicts import Number, together, verdict, within


@pytest.mark.parametrize(
    ("number", "threshold", "more", "expected"),
    [
        (Number(0.2, 0.1, 0.3, 50), 0.0, True, "holds"),
        (Number(0.2, 0.1, 0.3, 50), 0.0, False, "does not hold"),
        (Number(0.2, -0.1, 0.5, 50), 0.0, True, "not shown"),
        (Number(-0.2, -0.3, -0.1, 50), 0.0, True, "does not hold"),
        (Number(0.2, 0.0, 0.4, 50), 0.0, True, "not shown"),  # touching is not beyond
        (Number(0.2, 0.1, 0.3, 50, p=0.2), 0.0, True, "not shown"),  # not after correction
        (Number(0.2, 0.1, 0.3, 50, p=0.01), 0.0, True, "holds"),
        (Number(0.7, 0.6, 0.8, 50), 0.5, True, "holds"),
        (Number(0.7, 0.6, 0.8, 50), 0.9, True, "does not hold"),
        (Number(-0.01, -0.04, 0.02, 50), -0.05, True, "holds"),  # at most 5 points worse
        (Number(0.2, None, None, 1), 0.0, True, "not shown"),
        (Number(1.0, 1.0, 1.0, 1), 1.05, False, "holds"),  # counted, not estimated
    ],
)
def test_a_claim_holds_where_the_whole_interval_says_so(number, threshold, more, expected):
    assert verdict(number, threshold, more=more) == expected


def test_nearness_is_shown_by_an_interval_within_the_margin():
    assert within(Number(0.0, -0.04, 0.04, 50, p=1.0), 0.05) == "holds"
    assert within(Number(0.0, -0.06, 0.04, 50), 0.05) == "not shown"
    assert within(Number(0.2, 0.1, 0.3, 50), 0.05) == "does not hold"


def test_one_contrary_refutes_and_all_must_hold():
    assert together(["holds", "holds"]) == "holds"
    assert together(["holds", "not shown"]) == "not shown"
    assert together(["holds", "does not hold", "not shown"]) == "does not hold"
    assert together([]) == "not shown"
