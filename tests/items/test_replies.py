import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.items import Items
from trimtab.items.replies import final_reply, why_broken


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cat", "cat"),
        ("<think>dog or cat</think> cat", "cat"),
        ("dog, surely</think>cat", "cat"),
        ("<think>dog, and then", ""),
        ("I say <answer>cat</answer> now", "cat"),
        ("<answer>dog</answer><answer>cat</answer><answer></answer>", "cat"),
        ("<ANSWER> cat", "cat"),
        ("<answer></answer>", ""),
    ],
)
def test_final_reply(text: str, expected: str):
    assert final_reply(text) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "  \n",
        "?!...",
        "\ufffd\ufffd\ufffd cat",
        "\x00\x01cat",
        "cat cat cat cat",
        "the the the the the",
        "a red cat, a red cat, a red cat, a red cat",
        "catcatcatcatcatcat",
        "it is red is it red it is red is it red is it red it is",
    ],
)
def test_broken_replies(reply: str):
    assert why_broken(reply)


@pytest.mark.parametrize(
    "reply",
    ["cat", "7", "very, very, very happy", "no no no", "猫", "It is a cat that is on the mat by the door."],
)
def test_sound_replies(reply: str):
    assert why_broken(reply) is None


def test_real_paragraphs_are_not_broken(real_mc2: Items):
    assert [item.context for item in real_mc2 if why_broken(item.context)] == []


@given(st.text(), st.sampled_from(["", "<think>", "</think>", "<answer>", "</answer>"]), st.text())
def test_any_text_can_be_read(before: str, tag: str, after: str):
    reply = final_reply(before + tag + after)
    assert len(reply) <= len(before + tag + after)  # reading takes away, and adds nothing
    assert why_broken(reply) != ""  # a reason in words, or None
