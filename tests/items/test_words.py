import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trimtab.items import normalise
from trimtab.items.numbers import UNITS
from trimtab.items.words import singular, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A Cat. ", "cat"),
        ("The hot-dog!", "hot dog"),
        ("hot_dog", "hot dog"),
        ("1", "1"),
        ("one", "1"),
        ("twenty kites", "20 kites"),
        ("1.5", "1.5"),
        ("twenty-one", "21"),
        ("isn't", "isnt"),
        ("isn’t", "isnt"),
        ("\uff23\uff21\uff34", "cat"),
        ("c\u200bat", "cat"),
        ("STRASSE", "strasse"),
        ("Straße", "strasse"),
        ("कि", "कि"),
        ("A", "a"),
        ("...", ""),
        ("", ""),
    ],
)
def test_normalise(text: str, expected: str):
    assert normalise(text) == expected


@given(st.text())
@example("\u1fb3\u0345")
@example("\u1100'\u1161")
@example("1.5.a 3,x .1")
def test_normalise_is_idempotent(text: str):
    assert normalise(normalise(text)) == normalise(text)


@given(st.sampled_from(range(20)))
def test_digits_are_number_words(value: int):
    assert normalise(str(value)) == normalise(UNITS[value])


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("cat", "cats"),
        ("horse", "horses"),
        ("bus", "buses"),
        ("glass", "glasses"),
        ("bench", "benches"),
        ("box", "boxes"),
        ("vase", "vases"),
        ("shoe", "shoes"),
        ("tomato", "tomatoes"),
        ("cherry", "cherries"),
        ("cookie", "cookies"),
        ("tie", "ties"),
        ("knife", "knives"),
        ("glove", "gloves"),
        ("person", "people"),
    ],
)
def test_plurals_share_a_key(one: str, many: str):
    assert singular(one) == singular(many)


@pytest.mark.parametrize(
    ("one", "other"),
    [("cap", "cape"), ("plan", "plane"), ("pin", "pine"), ("to", "toe"), ("bus", "bush"), ("wine", "wins")],
)
def test_different_words_keep_different_keys(one: str, other: str):
    assert singular(one) != singular(other)


def test_punctuation_ends_a_clause():
    first, second = words("no, cats")
    assert first.clause != second.clause
