"""How items are asked with options, and how two orders become one judgement."""

from collections import Counter

import pytest
from tests.conflicts import make_items

from trimtab.studies import PROTOCOLS
from trimtab.studies.kit.protocols import INCONSISTENT

ITEM = make_items("test", 1)[0]


def test_a_single_question_is_balanced_over_items_and_always_the_same():
    single = PROTOCOLS["single"]
    first = Counter(single.prompts(i)[0].choices[0] == i.answer_image for i in make_items("test", 60))
    assert min(first.values()) > 15
    assert single.prompts(ITEM)[0].choices == single.prompts(ITEM)[0].choices


@pytest.mark.parametrize(
    ("replies", "label", "collapsed"),
    [
        (("A", "B"), "image", False),
        (("B", "A"), "text", False),
        (("A", "A"), "other", False),
        (("A", ""), "other", True),
        (("dunno", "B"), "other", True),
    ],
)
def test_paired_answers_must_agree(replies, label, collapsed):
    found = PROTOCOLS["paired"].judge(replies, ITEM, None)
    assert (found.label, found.collapsed) == (label, collapsed)
    assert (found.reason == INCONSISTENT) == (replies == ("A", "A"))


def test_paired_prompts_swap_the_options():
    first, second = PROTOCOLS["paired"].prompts(ITEM)
    assert first.choices == second.choices[::-1] == (ITEM.answer_image, ITEM.answer_text)


def test_a_single_reply_is_judged_by_the_options_it_was_given():
    single = PROTOCOLS["single"]
    letter = "AB"[single.prompts(ITEM)[0].choices.index(ITEM.answer_text)]
    assert single.judge([letter], ITEM, None).label == "text"
    assert single.judge(["neither"], ITEM, None).collapsed
