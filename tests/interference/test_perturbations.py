"""Perturbations: seeded, composable, never the right answer, never one's own picture."""

import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.interference.items import both_item, image_item, mixed, text_item
from trimtab.errors import DataError, UsageError
from trimtab.interference import PERTURBATIONS, Donors, clean_view, perturb, register, with_relevant
from trimtab.interference.perturbations import donors_without_fixed_points
from trimtab.interference.perturbations.base import names_answer
from trimtab.items import Item

TEXTS = [n for n, p in PERTURBATIONS.items() if p.modality == "text" and p.kind == "irrelevant"]
IMAGES = [n for n, p in PERTURBATIONS.items() if p.modality == "image" and p.kind == "irrelevant"]


def test_the_clean_view_shows_only_what_is_relevant():
    image, text, both = clean_view(image_item()), clean_view(text_item()), clean_view(both_item())
    assert (image.context, image.image is None) == (None, False)
    assert text.image is None
    assert both.context
    assert both.image is not None


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_is_added_where_the_image_is_relevant_and_nowhere_else(name, donors):
    item = image_item(1)
    view = perturb(item, [name], donors)
    assert view is not None
    assert view.context
    assert (view.condition, view.question, view.image) == (name, item.question, item.image)
    assert perturb(text_item(1), [name], donors) is None
    assert perturb(both_item(1), [name], donors) is None


@pytest.mark.parametrize("name", IMAGES)
def test_a_picture_is_shown_where_the_text_is_relevant_and_nowhere_else(name, donors):
    item = text_item(1)
    view = perturb(item, [name], donors)
    assert view is not None
    assert view.image is not None
    assert view.image.open().mode == "RGB"
    assert view.context is None
    assert perturb(image_item(1), [name], donors) is None


@pytest.mark.parametrize("name", sorted(PERTURBATIONS))
def test_the_same_seed_gives_the_same_view_and_another_another(name):
    items = mixed(6)
    item = text_item(2) if PERTURBATIONS[name].modality == "image" else image_item(2)
    first, again = (perturb(item, [name], Donors(items, 3), 3) for _ in range(2))
    assert first == again
    drawn = {"unrelated_text", "misleading_text", "dilution_text", "form_text", "other_image", "noise_image"}
    if name in drawn:
        assert len({perturb(item, [name], Donors(items), seed) for seed in range(9)}) > 1


def test_a_draw_does_not_depend_on_what_else_is_applied(donors):
    alone = perturb(image_item(), ["misleading_text"], donors)
    joined = perturb(image_item(), ["unrelated_text", "misleading_text"], donors)
    assert alone is not None
    assert joined is not None
    assert alone.context
    assert joined.context
    assert joined.context.startswith(alone.context)
    assert (joined.condition, joined.named) == ("unrelated_text+misleading_text", alone.named)


WORDS = st.sampled_from(["dog", "hot dog", "dogs", "one", "two", "red", "cat", "polar bear", "bear", "book", "song"])


@given(st.lists(WORDS, min_size=2, max_size=5, unique=True), st.integers(0, 9), st.sampled_from(TEXTS))
def test_no_added_text_names_the_right_answer(options, seed, name):
    item = replace(image_item(), choices=tuple(options), answer_image=options[0], answer_text=options[1])
    view = perturb(item, [name], Donors([item]), seed)
    if view is not None:
        assert view.context
        assert not names_answer(view.context, item)
        assert view.named != item.answer


def test_a_lie_that_would_hold_the_right_answer_is_not_told():
    item = replace(image_item(), choices=("dog", "hot dog"), answer_image="dog", answer_text="hot dog")
    assert perturb(item, ["misleading_text"], Donors([item])) is None


def test_misleading_text_names_the_option_it_is_scored_by(donors):
    for i in range(6):
        view = perturb(image_item(i), ["misleading_text"], donors, seed=i)
        assert view is not None
        assert view.context
        assert view.named in view.item.choices
        assert view.named in view.context


@given(st.lists(st.sampled_from("abcdef"), min_size=2, max_size=30), st.integers(0, 99))
def test_nobody_borrows_from_itself_or_its_double(keys, seed):
    if 2 * max(keys.count(k) for k in keys) > len(keys):
        with pytest.raises(UsageError, match="same content"):
            donors_without_fixed_points(keys, random.Random(seed))
        return
    donor = donors_without_fixed_points(keys, random.Random(seed))
    assert sorted(donor) == list(range(len(keys)))
    assert all(keys[here] != keys[there] for here, there in enumerate(donor))


def test_shuffling_exchanges_pictures_and_questions_and_keeps_options(items, donors):
    for item in items:
        view = perturb(item, ["shuffled_image", "shuffled_text"], donors)
        assert view is not None
        assert view.image is not None
        assert view.image != item.image
        assert view.item.choices == item.choices
    images = {perturb(i, ["shuffled_image"], donors).image for i in items}  # pyright: ignore[reportOptionalMemberAccess]
    assert images == {i.image for i in items}


def test_a_shuffled_text_is_never_the_one_that_was_shown(items, donors):
    for item in items:
        view, clean = perturb(item, ["shuffled_text"], donors), clean_view(item)
        assert view is not None
        assert (view.question, view.context) != (clean.question, clean.context)
        assert (view.context is None) == (clean.context is None)
    asked = [i.question for i in items if i.relevant == ("image",)]
    given = [perturb(i, ["shuffled_text"], donors).question for i in items if i.relevant == ("image",)]  # pyright: ignore[reportOptionalMemberAccess]
    assert sorted(given) == sorted(asked)


def test_questions_that_are_all_the_same_cannot_be_shuffled_whatever_the_hidden_contexts():
    alike = [replace(image_item(i), question="What is it?", context=f"Text {i}.") for i in range(4)]
    others = [both_item(i) for i in range(4)]
    donors = Donors([*alike, *others])
    for item in alike:
        with pytest.raises(DataError, match="cannot be exchanged"):
            perturb(item, ["shuffled_text"], donors)
    assert all(perturb(item, ["shuffled_text"], donors) for item in others)


def test_a_shuffled_question_keeps_what_was_added_beside_it(items, donors):
    added = perturb(items[0], ["unrelated_text"], donors)
    view = perturb(items[0], ["unrelated_text", "shuffled_text"], donors)
    assert added is not None
    assert view is not None
    assert (view.context, view.question != items[0].question) == (added.context, True)


def test_other_image_is_never_the_items_own(items, donors):
    for item in items:
        if item.relevant == ("text",):
            for seed in range(5):
                view = perturb(item, ["other_image"], donors, seed)
                assert view is not None
                assert view.image != item.image


def test_an_item_without_options_or_relevance_is_refused(donors):
    with pytest.raises(DataError, match="`choices` of item i0"):
        perturb(replace(image_item(), choices=()), [], donors)
    with pytest.raises(DataError, match="`relevant`"):
        perturb(replace(image_item(), relevant=None), [], donors)
    with pytest.raises(UsageError, match="must be one of"):
        perturb(image_item(), ["magic"], donors)


def test_a_perturbation_of_ones_own_joins_the_others(donors, monkeypatch):
    @dataclass(frozen=True)
    class Shout:
        name: str = "shout"
        modality: str = "text"
        kind: str = "irrelevant"

        def __call__(self, view, draw):
            return replace(view, context="HEY")

    monkeypatch.setattr(PERTURBATIONS, "_entries", dict(PERTURBATIONS))
    register(Shout())  # pyright: ignore[reportArgumentType]
    view = perturb(image_item(), ["shout"], donors)
    assert view is not None
    assert view.context == "HEY"
    with pytest.raises(UsageError, match="must be new"):
        register(Shout())  # pyright: ignore[reportArgumentType]


def test_a_conflict_item_gets_a_right_answer_when_told_what_matters():
    conflict = Item(
        "1", "animal", "What?", context="A dog.", answer_image="cat", answer_text="dog", image=image_item().image
    )
    (item,) = with_relevant([conflict], "image")
    assert (item.answer, item.choices) == ("cat", ("cat", "dog"))
    view = perturb(item, ["own_text"], Donors([item]))
    assert view is not None
    assert view.named == "dog"
    with pytest.raises(UsageError, match="one of image, text"):
        with_relevant([conflict], "both")


def test_the_usual_perturbations_are_those_that_fit():
    from trimtab.interference.hardening import SEEN
    from trimtab.interference.perturbations import fitting

    assert fitting(SEEN, [image_item(0)]) == ("unrelated_text", "misleading_text")
    assert fitting(SEEN, [text_item(0)]) == ("other_image", "noise_image")
    assert fitting(SEEN, [image_item(0), text_item(0)]) == SEEN
