"""The correction over places against known truth: how often it is wrong, and how often it finds an effect."""

from itertools import product

import numpy as np
import pytest

from trimtab.errors import UsageError
from trimtab.studies.kit.simultaneous import EXACT, simultaneous

RUNS, PLACES = 400, 12


def noise(generator: np.random.Generator, items: int) -> np.ndarray:
    """Values whose places depend on each other, as neighbouring layers do: correlation 0.7 from one to the next."""
    found = generator.standard_normal((items, PLACES))
    for place in range(1, PLACES):
        found[:, place] = 0.7 * found[:, place - 1] + np.sqrt(1 - 0.7**2) * found[:, place]
    return found


@pytest.mark.parametrize("items", [9, EXACT + 5])
def test_without_an_effect_five_percent_of_studies_find_one(items):
    generator = np.random.default_rng(items)
    wrong = sum(simultaneous(noise(generator, items), seed=run).p.min() < 0.05 for run in range(RUNS))
    # Three standard errors of a share of 5 %.
    assert abs(wrong / RUNS - 0.05) < 3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_uncorrected_every_third_study_would_find_one():
    """What the correction is for."""
    generator = np.random.default_rng(0)
    runs = [noise(generator, 18) for _ in range(60)]
    alone = [min(simultaneous(run[:, [place]]).p[0] for place in range(PLACES)) < 0.05 for run in runs]
    assert np.mean(alone) > 0.15


def test_cases_of_one_item_are_no_further_evidence():
    generator = np.random.default_rng(5)
    wrong = 0
    for run in range(RUNS):
        values = noise(generator, 10)
        wrong += simultaneous(np.vstack([values, values]), [*range(10)] * 2, seed=run).p.min() < 0.05
    assert wrong / RUNS < 0.05 + 3 * np.sqrt(0.05 * 0.95 / RUNS)


def test_a_planted_effect_is_found_at_its_place_and_hardly_elsewhere():
    generator = np.random.default_rng(1)
    effect = np.where(np.arange(PLACES) == 4, 1.2, 0.0)
    found = [simultaneous(noise(generator, 20) + effect, seed=run).p < 0.05 for run in range(100)]
    assert np.mean([one[4] for one in found]) > 0.85
    assert np.mean([one[np.arange(PLACES) != 4].any() for one in found]) < 0.12


@pytest.mark.parametrize("items", [8, 20])
def test_the_band_holds_all_means_in_95_of_100_studies(items):
    generator, means = np.random.default_rng(items), np.linspace(-3, 3, PLACES)
    held = 0
    for run in range(RUNS):
        found = simultaneous(noise(generator, items) + means, seed=run)
        held += bool(((found.low <= means) & (means <= found.high)).all())
    assert abs(held / RUNS - 0.95) < 0.035


def test_all_flips_are_tried_where_items_are_few():
    values = np.random.default_rng(2).standard_normal((7, 3)) + 0.4
    size = np.sqrt((values**2).sum(0))
    flipped = [np.abs(np.array(signs) @ values / size).max() for signs in product((1, -1), repeat=7)]
    seen = np.abs(values.sum(0) / size)
    assert simultaneous(values).p == pytest.approx([np.mean(np.array(flipped) >= one - 1e-9) for one in seen])


def test_one_place_is_students_t_for_many_items():
    values = np.random.default_rng(3).normal(0.1, 1, (400, 1))
    found, half = simultaneous(values), 1.966 * values.std(ddof=1) / 20
    assert found.mean == pytest.approx(values.mean())
    assert (found.low[0], found.high[0]) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_six_items_are_the_fewest_that_can_decide():
    assert simultaneous(np.ones((6, 2))).p == pytest.approx([1 / 32, 1 / 32])
    assert simultaneous(np.ones((5, 2))).p == pytest.approx([1 / 16, 1 / 16])
    few = simultaneous(np.random.default_rng(0).standard_normal((5, 2)))
    assert np.isnan([few.low, few.high]).all()


def test_equal_values_have_no_band_and_spoil_no_other():
    generator = np.random.default_rng(4)
    values = generator.standard_normal((15, 1))
    with_equal = np.hstack([values, np.full((15, 1), 0.1), np.zeros((15, 1))])
    found, alone = simultaneous(with_equal), simultaneous(values)
    assert np.isnan(found.low[1:]).all()
    assert np.isnan(found.high[1:]).all()
    assert (found.low[0], found.high[0]) == (alone.low[0], alone.high[0])
    assert found.p[2] == 1
    assert found.clusters == 15


def test_a_table_and_a_cluster_for_each_row_are_needed():
    for values, clusters in ((np.zeros((0, 2)), None), (np.zeros((3, 2)), [1, 2])):
        with pytest.raises(UsageError, match="of simultaneous must"):
            simultaneous(values, clusters)
