"""Shapes that signatures state are checked in every test."""

import pytest
import torch
from jaxtyping import TypeCheckError

from tests.shapes import modules_with_shapes
from trimtab.circuits.selection import top_heads
from trimtab.contribution.divergence import divergence
from trimtab.engine import Encoded


def test_an_array_of_another_shape_is_caught():
    assert top_heads(torch.tensor([[0.0, 1.0]]), 1) == ((0, 1),)
    with pytest.raises(TypeCheckError, match="scores"):
        top_heads(torch.zeros(2, 3, 4), 1)


def test_one_name_means_one_size_in_a_call():
    assert divergence("kl", torch.zeros(3, 5), torch.zeros(3, 5)).shape == (3,)
    with pytest.raises(TypeCheckError, match="noisy"):
        divergence("kl", torch.zeros(3, 5), torch.zeros(2, 5))


def test_a_part_of_another_shape_is_caught():
    with pytest.raises(TypeCheckError, match="positions"):
        Encoded(torch.zeros(4, dtype=torch.long), torch.zeros(3, 5, dtype=torch.long), {}, ())


def test_every_area_that_holds_arrays_states_shapes():
    areas = {name.split(".")[1] for name in modules_with_shapes()}
    assert areas >= {"circuits", "contribution", "engine", "interference", "steering"}
