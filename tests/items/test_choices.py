import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.items import judge_choice

OPTIONS = (("A", "cat"), ("B", "dog"))


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("A", "A"),
        ("b", "B"),
        ("B.", "B"),
        ("(B)", "B"),
        ("A. cat", "A"),
        ("A) cat", "A"),
        ("B dog", "B"),
        ("Answer: B", "B"),
        ("The answer is B.", "B"),
        ("The correct option is a", "A"),
        ("A is correct", "A"),
        ("<think>A</think><answer>B</answer>", "B"),
        ("A dog.", "B"),
        ("a dog", "B"),
        ("It is a cat.", "A"),
        ("cats", "A"),
        ("not A, B", "B"),
        ("B? No, A.", "A"),
        ("B, no, A", "A"),
        ("B. Wait, A", "A"),
        ("B, I mean A", "A"),
        ("A. No dog here", "A"),
        ("There is no doubt: B", "B"),
        ("A/B", None),
        ("A & B", None),
        ("A as well as B", None),
        ("A?", "A"),
        ("Not B", None),
        ("not a dog", None),
        ("A or B", None),
        ("Both A and B", None),
        ("cat and dog", None),
        ("catalogue", None),
        ("grade-A", None),
        ("", None),
        ("C", None),
    ],
)
def test_choices(reply: str, letter: str | None):
    assert judge_choice(reply, OPTIONS) == letter


def test_option_texts_that_contain_each_other():
    options = (("A", "happy"), ("B", "unhappy"))
    assert judge_choice("unhappy", options) == "B"
    assert judge_choice("happy", options) == "A"


def test_option_texts_that_differ_in_number_only():
    options = (("A", "bench"), ("B", "benches"))
    assert judge_choice("benches", options) == "B"


@given(st.text())
def test_judge_choice_never_raises(reply: str):
    assert judge_choice(reply, OPTIONS) in ("A", "B", None)


def test_no_options_no_choice():
    assert judge_choice("A", ()) is None
