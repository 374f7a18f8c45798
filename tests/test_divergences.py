"""Divergences, against their definitions in float64 and torch's own."""

import math

import pytest
import torch
from torch import Tensor

from trimtab.divergences import entropy, js, kl


def two(scale: float = 3.0) -> tuple[Tensor, Tensor]:
    made = torch.Generator().manual_seed(0)
    p, q = ((torch.randn(5, 4, 97, generator=made, dtype=torch.float64) * scale).log_softmax(-1) for _ in range(2))
    return p, q


def test_entropy_and_kl_are_those_of_torch():
    p, q = two()
    assert torch.allclose(entropy(p), torch.distributions.Categorical(logits=p).entropy())
    expected = torch.nn.functional.kl_div(q, p, log_target=True, reduction="none").sum(-1)
    assert torch.equal(kl(p, q), expected)
    assert kl(p, q).shape == (5, 4)
    assert not kl(p, p).any()


def test_js_is_symmetric_bounded_and_the_mean_of_two_divergences_from_the_middle():
    p, q = two()
    middle = ((p.exp() + q.exp()) / 2).log()
    assert torch.allclose(js(p, q), (kl(p, middle) + kl(q, middle)) / 2)
    assert torch.allclose(js(p, q), js(q, p))
    apart = torch.tensor([1.0, 0.0]).log(), torch.tensor([0.0, 1.0]).log()
    assert js(*apart).item() == pytest.approx(math.log(2))


def test_an_outcome_without_probability_counts_nothing():
    sure, even = torch.tensor([1.0, 0.0, 0.0]).log(), torch.tensor([0.5, 0.5, 0.0]).log()
    assert entropy(sure).item() == 0
    assert kl(sure, even).item() == pytest.approx(math.log(2))
    assert kl(even, sure).item() == math.inf
