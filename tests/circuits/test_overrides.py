"""On the planted circuit, the heads that carry the decision are found, told apart, and are needed by one side alone."""

from typing import Any

import pytest
import torch

from trimtab.circuits import (
    HeadScores,
    ablate,
    crossover,
    crossovers,
    decompose,
    every_head,
    head_class,
    head_scores,
    lens,
    override_heads,
    patched_directly,
    random_heads,
    read_out,
)
from trimtab.circuits.donors import next_instructions
from trimtab.errors import UsageError
from trimtab.testing.planted_circuit import PREFERENCE_HEAD, READING_HEADS, ROUTING_HEAD, ROUTING_LAYER


@pytest.fixture(scope="module")
def patching(planted, planted_cases) -> HeadScores:
    return head_scores(planted, planted_cases, "patching")


@pytest.fixture(scope="module")
def direct(planted, planted_cases) -> HeadScores:
    return patched_directly(planted, planted_cases)


def test_the_head_that_puts_the_answer_in_place_writes_and_those_that_say_where_it_waits_route(patching, direct):
    assert override_heads(patching).promoting == (ROUTING_HEAD,)
    assert override_heads(patching).suppressing == ()
    assert head_class(patching, direct, ROUTING_HEAD) == "writing"
    for reader in READING_HEADS:
        assert float(patching.mean()[reader]) > 0.05
        assert float(direct.mean()[reader]) == pytest.approx(0.0, abs=1e-3)
        assert head_class(patching, direct, reader) == "routing"
    assert float(patching.mean()[PREFERENCE_HEAD]) == pytest.approx(0.0, abs=1e-3)  # the same whatever is named


def test_a_head_that_nothing_comes_after_has_no_other_effect_than_the_direct_one(patching, direct):
    torch.testing.assert_close(patching.values[:, ROUTING_LAYER], direct.values[:, ROUTING_LAYER], atol=2e-2, rtol=0)
    assert not direct.signed


def test_the_direct_effect_is_the_difference_of_what_a_head_adds_under_both_instructions(
    planted, planted_cases, direct
):
    added, margins = decompose(planted, planted_cases).heads, read_out(planted, planted_cases).margins[:, 0]
    partner = next_instructions(planted_cases)
    theirs = -added[[partner[case] for case in planted_cases]]  # the partner's margin is of the same answers, turned
    torch.testing.assert_close(direct.values * (-2 * margins.mean()), theirs - added, atol=2e-2, rtol=0)


def test_silencing_the_router_flips_what_it_overrides_and_not_the_default(planted, planted_cases):
    rest = [head for head in every_head(planted) if head not in (*READING_HEADS, PREFERENCE_HEAD)]
    sets = {"promoting": (ROUTING_HEAD,), "random 1": random_heads(rest, (ROUTING_HEAD,), 1)}
    table: Any = ablate(planted, planted_cases, sets)
    assert (table["before"] > 0).all()
    flipped: Any = (table["after"] < 0).groupby([table["heads"], table["target"]]).mean()
    assert flipped["promoting", "image"] == 1.0  # the preference for the text is what is left
    assert flipped["promoting", "text"] == 0.0
    assert flipped["random 1", "image"] == flipped["random 1", "text"] == 0.0


def test_heads_stand_out_by_both_directions_in_standard_deviations():
    values = torch.zeros(2, 4, 5, dtype=torch.float64)
    values[:, 1, 2], values[:, 3, 0] = 1.0, -0.9
    values[0, 2, 2] = 0.1  # one direction alone, and little
    found = override_heads(HeadScores("patching", values, ("image", "text"), ("a", "a")))
    assert (found.promoting, found.suppressing) == (((1, 2),), ((3, 0),))
    assert float(found.positions.mean()) == pytest.approx(0.0, abs=1e-9)
    assert float(found.positions.std(correction=0)) == pytest.approx(1.0)
    three = HeadScores("patching", values.repeat(2, 1, 1)[:3], ("image", "text", "audio"), ("a", "a", "a"))
    with pytest.raises(UsageError, match="`patching` of override_heads must be of two modalities"):
        override_heads(three)


@pytest.mark.parametrize(
    ("margins", "layer"),
    [
        ([1.0, 2.0, 3.0], 0),
        ([-1.0, 2.0, 3.0], 1),
        ([1.0, -1.0, 2.0, -3.0], 3),
        ([0.0, 0.001, 1.0], 2),
        ([1.0, 1.0, 0.0], 2),
    ],
)
def test_the_crossover_is_the_first_layer_from_which_the_sign_stays(margins, layer):
    assert crossover(margins) == layer
    assert crossover([-margin for margin in margins]) == layer


def test_the_planted_decision_falls_in_the_routing_layer(planted, planted_cases):
    table = lens(planted, planted_cases)
    found = crossovers(table)
    assert len(found) == len(planted_cases)
    assert set(found["crossover"]) == {ROUTING_LAYER}
    torch.testing.assert_close(
        torch.tensor(found["final"]), read_out(planted, planted_cases).margins[:, 0], atol=1e-3, rtol=0
    )
    with pytest.raises(UsageError, match="`margins` of crossover"):
        crossover([])
