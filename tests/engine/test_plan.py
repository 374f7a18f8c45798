"""Prefix sharing: every row once, only equal unedited tokens, and never more work than without."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.engine.encoded import Encoded
from trimtab.engine.local.planning import plan


def prompt(ids: list[int], context: int) -> Encoded:
    spans = {"context": torch.arange(context), "image": torch.tensor([], dtype=torch.long)}
    return Encoded(torch.tensor(ids), torch.arange(len(ids))[None], spans, ())


def shown(after: list[int], *, picture: int = 4) -> Encoded:
    """A prompt that begins with a picture."""
    ids = torch.tensor([9] * picture + after)
    spans = {"image": torch.arange(picture), "context": torch.tensor([], dtype=torch.long)}
    return Encoded(ids, torch.arange(len(ids))[None], spans, ())


def with_context(prompt: Encoded, length: int) -> Encoded:
    """The same prompt, with a context right after its picture."""
    end = len(prompt.spans["image"])
    return Encoded(prompt.ids, prompt.positions, {**prompt.spans, "context": torch.arange(end, end + length)}, ())


rows = st.lists(
    st.tuples(st.lists(st.integers(0, 1), min_size=2, max_size=8), st.integers(0, 8), st.integers(0, 9)),
    min_size=1,
    max_size=12,
)


@given(rows)
@settings(deadline=None)
def test_plan_is_a_partition_that_respects_causality(drawn):
    prompts = [prompt(ids, min(context, len(ids) - 1)) for ids, context, _ in drawn]
    limits = [limit for _, _, limit in drawn]
    groups = plan(prompts, limits)
    assert sorted(r for g in groups for r in g.rows) == list(range(len(prompts)))
    for group in groups:
        first = prompts[group.rows[0]].ids[: group.shared]
        for r in group.rows:
            assert torch.equal(prompts[r].ids[: group.shared], first)
            assert group.shared <= max(limits[r], 0)
            assert group.shared < len(prompts[r])
    computed = sum(g.shared + sum(len(prompts[r]) - g.shared for r in g.rows) for g in groups)
    assert computed <= sum(len(p) for p in prompts)


def test_a_strength_sweep_shares_all_but_the_last_token_beside_an_instruction():
    question, instructed = prompt([1, 2, 3, 4, 5, 6, 7], 2), prompt([1, 2, 9, 9, 5, 6, 7, 8], 2)
    groups = plan([question] * 8 + [instructed], [6] * 8 + [7])
    assert (tuple(range(8)), 6) in [(g.rows, g.shared) for g in groups]


def test_instructed_rows_share_the_context_but_do_not_lengthen_a_sweeps_tails():
    context = [1, 2, 3, 4, 5, 6]
    question = prompt([*context, 7, 8], 6)
    one, other = prompt([*context, 9, 9, 9, 7, 8], 6), prompt([*context, 5, 5, 5, 7, 8], 6)
    groups = plan([question] * 6 + [one, other], [7] * 6 + [10] * 2)
    assert {g.rows: g.shared for g in groups} == {tuple(range(6)): 7, (6, 7): 6}


def test_a_row_edited_in_its_context_shares_nothing():
    p = prompt([1, 2, 3, 4, 5], 3)
    groups = plan([p, p, p], [4, 4, 0])
    assert {g.rows: g.shared for g in groups} == {(0, 1): 4, (2,): 0}


def test_a_prompt_with_a_text_and_one_without_share_the_picture():
    groups = plan([with_context(shown([1, 2, 3, 5, 6]), 3), shown([5, 6])], [8, 5])
    assert [(g.rows, g.shared) for g in groups] == [((0, 1), 4)]


def test_a_sweep_beside_it_keeps_its_longer_prefix():
    whole, alone = with_context(shown([1, 2, 3, 5, 6]), 3), shown([5, 6])
    groups = plan([whole] * 8 + [alone, with_context(shown([7, 5, 6]), 1)], [8] * 8 + [5, 6])
    assert {g.rows: g.shared for g in groups} == {tuple(range(8)): 8, (8, 9): 4}


def test_a_picture_that_is_edited_is_not_shared():
    whole, alone = with_context(shown([1, 2, 3, 5, 6]), 3), shown([5, 6])
    assert all(g.shared < 4 for g in plan([whole, alone], [3, 5]))
