from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.errors import UsageError
from trimtab.items import Item, Items, MediaBytes, split_items, split_overlap

THREE = {"train": 0.6, "validation": 0.2, "test": 0.2}


def make_items(pictures: list[int], tasks: int = 2) -> list[Item]:
    return [
        Item(str(n), f"task{n % tasks}", "?", answer_image="cat", answer_text="dog", image=MediaBytes(bytes([picture])))
        for n, picture in enumerate(pictures)
    ]


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(0, 3))
def test_nothing_leaks_and_nothing_is_lost(pictures, seed):
    items = make_items([*range(10), *pictures])
    splits = split_items(items, {"train": 0.5, "test": 0.5}, seed)
    seen = [{item.image for item in members} for members in splits.values()]
    assert seen[0].isdisjoint(seen[1])
    assert sorted(item.id for members in splits.values() for item in members) == sorted(i.id for i in items)
    assert all(item.split == name for name, members in splits.items() for item in members)


def test_real_items_are_split_by_task_and_picture(real_mc2: Items):
    splits = split_items(real_mc2, THREE, seed=1)
    for name, share in THREE.items():
        counts = Counter(item.task for item in splits[name])
        assert all(abs(count - share * 250) <= 2 for count in counts.values())
    pictures = [{item.image for item in members} for members in splits.values()]
    assert len(set.union(*pictures)) == sum(map(len, pictures)) == 1940


def test_splits_depend_on_the_seed_only():
    items = make_items(list(range(50)))

    def ids(seed: int, rows: list[Item]) -> dict[str, set[str]]:
        return {name: {item.id for item in part} for name, part in split_items(rows, THREE, seed).items()}

    assert ids(0, items) == ids(0, items[::-1])
    assert ids(0, items) != ids(1, items)


def test_items_keep_their_order():
    (members,) = split_items(make_items([3, 1, 2]), {"all": 1.0}).values()
    assert [item.id for item in members] == ["0", "1", "2"]


def test_by_item_lets_pictures_part():
    splits = split_items(make_items([7] * 10), {"train": 0.5, "test": 0.5}, by="item")
    assert [len(members) for members in splits.values()] == [5, 5]


@pytest.mark.parametrize(
    ("fractions", "message"),
    [
        ({"train": 0.5}, "sum to 1"),
        ({"train": 1.5, "test": -0.5}, "positive"),
        ({}, "sum to 1"),
        ({"train": 0.99, "test": 0.01}, "'test' would be"),
    ],
)
def test_wrong_fractions(fractions, message):
    with pytest.raises(UsageError, match=message):
        split_items(make_items([1, 2, 3]), fractions)


def test_unknown_grouping():
    with pytest.raises(UsageError, match="'evidence' or 'item'"):
        split_items(make_items([1, 2]), THREE, by="question")  # pyright: ignore[reportArgumentType]


def test_overlap_compares_questions_texts_and_answers_in_both_orders():
    seen = [Item("1", "t", "Which animal?", context="A dog.", answer_image="cat", answer_text="dog")]
    same = Item("2", "t", "which animal", context="A  Dog", answer_image="a cat", answer_text="dogs are not it")
    swapped = Item("3", "t", "Which animal?", answer_image="dog", answer_text="cat")
    assert split_overlap([same, swapped], seen) == {
        "question": 1.0,
        "context": 0.5,
        "answers": 0.0,
        "answers in any order": 0.5,
        "question and answers": 0.0,
        "question and answers in any order": 0.5,
    }
    assert set(split_overlap(seen, seen).values()) == {1.0}
    assert set(split_overlap([swapped], []).values()) == {0.0}
    with pytest.raises(UsageError, match="at least one item"):
        split_overlap([], seen)
