"""Scoring options: by logits and by words."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trimtab.interference import options
from trimtab.interference.diagnosis import js, kl, total_variation


def test_each_letter_has_tokens_of_its_own(model):
    tokens = options.letter_tokens(model, 4)
    flat = [t for ids in tokens for t in ids]
    assert len(flat) == len(set(flat))
    assert [model.tokenizer.decode(ids[0]).strip() for ids in tokens] == ["A", "B", "C", "D"]


def test_option_probabilities_add_up_over_both_ways_to_write_a_letter():
    logits = torch.log(torch.tensor([[0.1, 0.2, 0.3, 0.4]]))
    logs, mass = options.option_log_probabilities(logits, [[0, 1], [2]])
    assert torch.allclose(logs.exp(), torch.tensor([[0.5, 0.5]]))
    assert mass.item() == pytest.approx(0.6)


def test_a_dog_is_not_option_a():
    choices = ("cat", "dog", "cow")
    assert options.picked_option("a dog", choices) == 1
    assert options.picked_option("It is a dog.", choices) == 1
    assert options.picked_option("A", choices) == 0
    assert options.picked_option("I am not sure about a thing", choices) is None


DISTRIBUTION = st.lists(st.floats(0, 1), min_size=3, max_size=3).filter(lambda p: sum(p) > 1e-3)


@settings(deadline=None)
@given(DISTRIBUTION, DISTRIBUTION)
def test_distances_between_distributions(p, q):
    a, b = (torch.tensor(x, dtype=torch.float64).div(sum(x)).numpy() for x in (p, q))
    assert 0 <= js(a, b) <= math.log(2)
    assert js(a, b) == pytest.approx(js(b, a), abs=1e-12)
    assert 0 <= total_variation(a, b) <= 1 + 1e-9
    assert kl(a, b) >= 2 * total_variation(a, b) ** 2 - 1e-6  # Pinsker
    assert kl(a, a) == 0 == js(a, a)
