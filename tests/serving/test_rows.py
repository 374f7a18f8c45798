"""The plan of a step: which rows are which tokens of whom."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trimtab.serving.rows import Chunk, chunks_of


def test_a_mixed_step_is_cut_into_its_requests():
    found = chunks_of(["a", "b", "c"], [0, 1, 5, 9], [12, 0, 4], [10, 6, 8])
    assert found == [Chunk("a", 0, 1, 12, 10), Chunk("b", 1, 5, 0, 6), Chunk("c", 5, 9, 4, 8)]
    assert [chunk.last_prompt for chunk in found] == [None, None, 8]


def test_one_row_of_a_prompt_is_no_generated_token():
    first, last, generated = Chunk("a", 3, 4, 4, 6), Chunk("a", 3, 4, 5, 6), Chunk("a", 3, 4, 6, 6)
    assert [c.last_prompt for c in (first, last, generated)] == [None, 3, None]
    assert [c.rows(6, 10**9) for c in (first, last, generated)] == [(0, 0), (0, 0), (3, 4)]


def test_a_request_that_was_put_off_computes_prompt_and_answer_at_once():
    again = Chunk("a", 2, 22, 0, 12)
    assert again.last_prompt == 13
    assert again.rows(12, 10**9) == (14, 22)
    assert again.count(0, 12) == 12
    assert again.count(12, 10**9) == 8


@given(st.integers(0, 30), st.integers(1, 30), st.integers(1, 40), st.integers(0, 50), st.integers(0, 50))
def test_rows_are_those_whose_token_lies_in_the_span(first: int, count: int, length: int, low: int, high: int):
    chunk = Chunk("a", 7, 7 + count, first, length)
    tokens = {7 + k: first + k for k in range(count)}
    wanted = [row for row, token in tokens.items() if low <= token < high]
    start, end = chunk.rows(low, high)
    assert list(range(start, end)) == wanted
    assert chunk.count(low, high) == len(wanted)
    assert chunk.last_prompt == next((row for row, token in tokens.items() if token == length - 1), None)


@pytest.mark.parametrize("cuts", [[5], [1, 1, 1, 1, 1], [2, 3]])
def test_however_a_prompt_is_cut_each_token_comes_once(cuts: list[int]):
    done, seen = 0, 0
    for size in cuts:
        chunk = Chunk("a", 0, size, done, 5)
        seen += chunk.count(4, 10**9)
        done += size
    assert seen == 1
