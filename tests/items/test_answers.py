from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from trimtab.items import Item, Items, judge, normalise, valid_answers

SWAPPED = {"image": "text", "text": "image", "other": "other"}
SHAPES = (
    str.lower,
    str.upper,
    str.title,
    "a {}".format,
    "The {}.".format,
    " {}!\n".format,
    "“{}”".format,
)
SENTENCES = (
    "It is {}.",
    "I think it's {} in this picture, definitely.",
    "<think>Hm, {contrary}?</think><answer>{}</answer>",
    "{}, not {contrary}",
    "{} rather than {contrary}",
    "not {contrary}, but {}",
)


CAT_OR_DOG = Item(
    "1", "animal", "What animal is it?", context="A dog sleeps on the porch.", answer_image="cat", answer_text="dog"
)


def make_item(**changes) -> Item:
    return replace(CAT_OR_DOG, **changes)


@pytest.mark.parametrize(
    ("image", "text", "reply", "label"),
    [
        ("happy", "unhappy", "They are unhappy.", "text"),
        ("happy", "unhappy", "not happy", "text"),
        ("happy", "sad", "not happy", "other"),
        ("happy", "sad", "They don't look very happy", "other"),
        ("happy", "sad", "They aren’t happy; they are sad", "text"),
        ("happy", "sad", "neither happy nor sad", "other"),
        ("elephant", "ant", "an ant", "text"),
        ("elephant", "ant", "An elephant!", "image"),
        ("elephant", "ant", "a pant", "other"),
        ("eating", "not eating", "not eating", "text"),
        ("eating", "not eating", "It isn't currently eating.", "text"),
        ("eating", "not eating", "It is eating", "image"),
        ("one", "two", "1", "image"),
        ("one", "2", "There are two of them", "text"),
        ("one", "two", "more than one", "other"),
        ("one", "two", "1.5", "other"),
        ("hot dog", "french fries", "Hot-dogs", "image"),
        ("hot dog", "french fries", "fries that are French", "other"),
        ("surfing", "windsurfing", "windsurfing", "text"),
        ("tennis racket", "tennis ball", "a tennis ball", "text"),
        ("playing tennis", "playing soccer", "Tennis", "image"),
        ("tennis", "soccer", "playing soccer", "text"),
        ("playing", "playing soccer", "playing", "image"),
        ("bench", "benches", "benches", "text"),
        ("bench", "benches", "a bench", "image"),
        ("cat", "dog", "cats", "image"),
        ("cat", "dog", "a cat, not a dog", "image"),
        ("cat", "dog", "no, a cat", "image"),
        ("cat", "dog", "not a dog but a cat", "image"),
        ("cat", "dog", "a cat instead of a dog", "image"),
        ("cat", "dog", "instead of a dog, a cat", "image"),
        ("cat", "dog", "not only a cat", "image"),
        ("cat", "dog", "a dog; the image shows a cat", "text"),
        ("cat", "dog", "a cat or a dog", "other"),
        ("cat", "dog", "both cat and dog", "other"),
        ("cat", "dog", "a horse", "other"),
        ("yes", "no", "No, there is not", "text"),
        ("yes", "no", "Yes, no doubt", "image"),
    ],
)
def test_labels(image: str, text: str, reply: str, label: str):
    judgement = judge(reply, make_item(answer_image=image, answer_text=text))
    assert (judgement.label, judgement.collapsed) == (label, False), judgement.reason


def test_aliases_count_for_their_side_unless_shared():
    item = make_item(aliases_image=("kitty", "pet", "dog"), aliases_text=("hound", "pet"))
    labels = [judge(reply, item).label for reply in ("kitty", "a hound", "pet", "dog")]
    assert labels == ["image", "text", "other", "text"]


@pytest.mark.parametrize("reply", ["", " ", "<think>cat", "\ufffd\ufffd", "cat cat cat cat cat", "?"])
def test_broken_replies_are_collapsed_and_other(reply: str):
    judgement = judge(reply, make_item())
    assert (judgement.label, judgement.collapsed) == ("other", True)


def test_without_any_valid_answer_a_reply_is_collapsed():
    valid = frozenset({"cat", "dog", "horse", "hot dog", "playing tennis"})
    assert judge("a horse", make_item(), valid) == ("other", False, "mentions other or denied answers only")
    assert judge("qwerty", make_item(), valid).collapsed
    assert not judge("qwerty", make_item()).collapsed


def test_a_longer_valid_answer_is_not_the_shorter_one():
    food = frozenset({"cat", "dog", "hot dog"})
    assert judge("a hot dog", make_item(), food).label == "other"
    sport = make_item(answer_image="tennis", answer_text="golf")
    assert judge("playing tennis", sport, frozenset({"tennis", "golf", "playing tennis"})).label == "image"
    activity = make_item(answer_image="eating", answer_text="resting")
    assert judge("eating leaves", activity, frozenset({"eating", "resting", "eating leaves"})).label == "image"


def test_on_open_data_an_unexpected_whole_answer_is_not_collapsed():
    items = [make_item(task="color", answer_image="red", answer_text="blue")]
    open_answers = valid_answers(items)["color"]
    closed_answers = valid_answers([replace(item, closed=True) for item in items])["color"]
    assert judge("It is square.", items[0], open_answers) == ("other", False, "mentions neither answer")
    assert judge("It is square.", items[0], closed_answers).collapsed
    assert judge("red red red red red", items[0], open_answers).collapsed


def test_a_task_is_closed_only_if_all_its_items_are():
    mixed = valid_answers([make_item(closed=True), make_item(closed=False)])
    assert not judge("a horse", make_item(), mixed["animal"]).collapsed


def test_valid_answers_are_collected_by_task():
    items = [
        make_item(aliases_image=("kitty",)),
        make_item(task="color", answer_image="red", answer_text="tan"),
    ]
    assert valid_answers(items) == {"animal": {"cat", "dog", "kitty"}, "color": {"red", "tan"}}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_real_answer_is_judged_right_in_any_shape(real_mc2: Items, shape):
    valid = valid_answers(real_mc2)
    wrong = [
        (item, judgement)
        for item in real_mc2
        for side, answer in (("image", item.answer_image), ("text", item.answer_text))
        if (judgement := judge(shape(answer), item, valid[item.task])).label != side or judgement.collapsed
    ]
    assert wrong == []


@pytest.mark.parametrize("sentence", SENTENCES)
def test_every_real_answer_is_judged_right_in_a_sentence(real_mc2: Items, sentence: str):
    wrong = []
    for item in real_mc2:
        for side, answer, contrary in (
            ("image", item.answer_image, item.answer_text),
            ("text", item.answer_text, item.answer_image),
        ):
            if "not" in contrary.split() and "{contrary}" in sentence:
                continue  # "not not eating" is no English
            judgement = judge(sentence.format(answer, contrary=contrary), item)
            if judgement.label != side or judgement.collapsed:
                wrong.append((item, judgement))
    assert wrong == []


HARMLESS = st.lists(st.sampled_from(["look", "here", "my", "friend", "it", "is"]), max_size=6)
PLAIN_WORDS = st.text(st.characters(categories=("Ll", "Nd"), max_codepoint=0x24F), min_size=1, max_size=8)
ANSWERS = st.lists(PLAIN_WORDS, min_size=1, max_size=3).map(" ".join)


@given(ANSWERS, ANSWERS, st.text())
def test_swapping_the_roles_swaps_the_label(image: str, text: str, reply: str):
    assume(normalise(image) and normalise(text) and normalise(image) != normalise(text))
    item = make_item(answer_image=image, answer_text=text)
    swapped = replace(item, answer_image=text, answer_text=image)
    for spoken in (reply, image, text, f"{reply} {image}", f"{text} and {reply}"):
        label, collapsed, _ = judge(spoken, item)
        assert judge(spoken, swapped)[:2] == (SWAPPED[label], collapsed)


@given(PLAIN_WORDS, PLAIN_WORDS)
def test_a_substring_is_never_taken_for_the_answer(answer: str, rest: str):
    assume(normalise(answer) not in ("", *("not", "no")) and normalise(answer + rest) != normalise(answer))
    longer = answer + rest
    item = make_item(answer_image=answer, answer_text=longer)
    if judge(longer, item).collapsed or judge(answer, item).collapsed:
        return
    assert judge(longer, item).label == "text"
    assert judge(answer, item).label == "image"


@given(
    st.sampled_from(["cat", "dog"]),
    st.lists(st.sampled_from(["look", "here", "my", "friend", "it", "is"]), max_size=6),
)
def test_harmless_words_around_an_answer_change_nothing(answer: str, around: list[str]):
    noise = " ".join(dict.fromkeys(around))
    assert judge(f"{noise} {answer}", make_item()) == judge(answer, make_item())
    assert judge(f"{answer}, {noise}", make_item()) == judge(answer, make_item())


@given(st.text(), st.text(), st.text(), st.none() | st.frozensets(st.text(), max_size=3))
def test_judge_never_raises(reply: str, image: str, text: str, valid: frozenset[str] | None):
    assume(normalise(image) and normalise(text) and normalise(image) != normalise(text))
    label, collapsed, reason = judge(reply, make_item(answer_image=image, answer_text=text), valid)
    assert reason
    assert not (collapsed and label != "other")
