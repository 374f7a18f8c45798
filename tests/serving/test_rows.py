"""The plan of a step: which rows are which tokens of whom, and what of their request these are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.engine import AddVector, ReplaceHeads, ScaleHeads
from trimtab.serving.phases import GENERATED, LAST, NAMED, NAMED_LAST, PROMPT, Layout, first_of, phases_of
from trimtab.serving.rows import Chunk


def test_one_row_of_a_prompt_is_no_generated_token():
    first, last, generated = Chunk("a", 3, 4, 4, 6), Chunk("a", 3, 4, 5, 6), Chunk("a", 3, 4, 6, 6)
    assert [c.last_prompt for c in (first, last, generated)] == [None, 3, None]
    layout = Layout(6)
    assert [layout.counts(c.first, c.after)[GENERATED] for c in (first, last, generated)] == [0, 0, 1]
    assert layout.phases(6, 7) == GENERATED


def test_a_request_that_was_put_off_computes_prompt_and_answer_at_once():
    again = Chunk("a", 2, 22, 0, 12)
    assert again.last_prompt == 13
    found = Layout(12, [(3, 5)]).phases(again.first, again.after)
    assert list(found) == [PROMPT] * 3 + [NAMED] * 2 + [PROMPT] * 6 + [LAST] + [GENERATED] * 8  # pyright: ignore


def test_a_question_may_end_the_prompt():
    assert list(Layout(4, [(2, 4)]).phases(0, 4)) == [PROMPT, PROMPT, NAMED, NAMED_LAST]  # pyright: ignore
    worded = ScaleHeads(0, (0,), ("instruction", "question", "last", "generated"), 2.0)
    assert phases_of(worded) == {NAMED, NAMED_LAST, LAST, GENERATED}
    assert phases_of(ReplaceHeads(0, (0,), ("all", "image"))) is None
    assert phases_of(AddVector(0, None, positions="last_prompt")) == {LAST, NAMED_LAST}  # type: ignore[arg-type]


@pytest.mark.parametrize(("begins", "first"), [(PROMPT, 0), (NAMED, 3), (LAST, 9), (GENERATED, 10)])
def test_an_edit_begins_with_the_first_token_of_its_earliest_phase(begins: int, first: int):
    assert first_of(begins, 10, [(5, 7), (3, 4)]) == first


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 40), st.integers(0, 50), st.integers(0, 50))
def test_phases_are_those_of_the_tokens(first: int, count: int, length: int, low: int, high: int):
    named = {place for place in range(length) if low <= place < high}

    def wanted(place: int) -> int:
        if place >= length:
            return GENERATED
        if place == length - 1:
            return NAMED_LAST if place in named else LAST
        return NAMED if place in named else PROMPT

    layout, tokens = Layout(length, [(low, max(low, high))]), [wanted(first + k) for k in range(count)]
    found = layout.phases(first, first + count)
    assert [found] * count == tokens if isinstance(found, int) else list(found) == tokens
    assert list(layout.counts(first, first + count)) == [tokens.count(phase) for phase in range(5)]


@pytest.mark.parametrize("cuts", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_however_a_prompt_is_cut_each_token_comes_once(cuts: list[int]):
    done, seen = 0, Layout(5).counts(0, 0)
    for size in cuts:
        seen += Layout(5).counts(done, done + size)
        done += size
    assert list(seen) == [4, 0, 1, 0, 0]
