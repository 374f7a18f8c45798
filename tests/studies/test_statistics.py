from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from trimtab.errors import UsageError
from trimtab.studies import bootstrap_mean, holm, paired_difference, wilson
from trimtab.studies.kit.statistics import clustered_rate, fewest_flips, likely_shown, smallest_shown


def test_wilson_is_the_published_interval():
    # 8 of 10: Wilson (1927) at z = 1.959964, as in Brown, Cai and DasGupta (2001).
    assert wilson(8, 10) == pytest.approx((0.8, 0.490162, 0.943318), abs=1e-6)
    assert wilson(0, 20) == pytest.approx((0.0, 0.0, 0.161125), abs=1e-6)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_its_rate_and_stays_in_0_to_1(case):
    rate, low, high = wilson(*case)
    assert 0 <= low <= rate <= high <= 1


def test_bootstrap_is_the_normal_interval_for_many_values():
    values = np.random.default_rng(3).normal(0.4, 0.2, 900)
    mean, low, high = bootstrap_mean(values.tolist())
    half = 1.96 * values.std() / 30
    assert mean == pytest.approx(values.mean())
    assert (low, high) == pytest.approx((mean - half, mean + half), abs=0.1 * half)


def test_bootstrap_is_the_same_for_the_same_seed_only():
    values = np.random.default_rng(0).random(50).tolist()
    assert bootstrap_mean(values, 1) == bootstrap_mean(values, 1)
    assert bootstrap_mean(values, 1) != bootstrap_mean(values, 2)


def test_mcnemar_is_exact():
    first = [True] * 9 + [False] * 1 + [True] * 30
    second = [False] * 9 + [True] * 1 + [True] * 30
    found = paired_difference(first, second)
    assert found.p == pytest.approx(0.021484375)  # 2 P(X <= 1), X ~ Binomial(10, 1/2)
    assert (found.first_only, found.second_only, found.n) == (9, 1, 40)
    assert found.difference == pytest.approx(0.2)
    assert 0 < found.low < 0.2 < found.high


def test_equal_conditions_do_not_differ():
    found = paired_difference([True, False] * 10, [True, False] * 10)
    assert (found.difference, found.p) == (0, 1)
    # Of 20 items none flipped: Clopper and Pearson's upper bound for 0 of 20, not an interval without width.
    assert (found.low, found.high) == pytest.approx((-0.168433, 0.168433), abs=1e-6)


def test_a_sample_without_spread_has_no_interval_without_width():
    found = paired_difference([True] * 6, [False] * 6)
    assert (found.difference, found.high) == (1, 1)
    assert found.low == pytest.approx(0.540742, abs=1e-6)


@pytest.mark.parametrize("comparisons", [1, 2, 5, 40])
def test_the_fewest_flips_that_decide(comparisons: int):
    flips = fewest_flips(comparisons)
    for count, decides in ((flips, True), (flips - 1, False)):
        found = paired_difference([True] * count + [False], [False] * (count + 1))
        assert (comparisons * found.p < 0.05) == decides


def test_the_smallest_difference_that_can_be_shown():
    assert smallest_shown(5) is None
    assert smallest_shown(60) == pytest.approx(0.1)


def test_paired_interval_turns_with_its_sides():
    generator = np.random.default_rng(0)
    a, b = generator.random(300) < 0.6, generator.random(300) < 0.5
    one, other = paired_difference(a.tolist(), b.tolist()), paired_difference(b.tolist(), a.tolist())
    assert one.difference == -other.difference
    assert one.p == other.p
    assert one.low == pytest.approx(-other.high, abs=0.01)


@pytest.mark.parametrize(
    "call",
    [lambda: wilson(0, 0), lambda: bootstrap_mean([]), lambda: paired_difference([True], [True, False])],
)
def test_nothing_to_count_is_refused(call):
    with pytest.raises(UsageError):
        call()


def test_holm_is_bonferroni_for_the_smallest_and_never_decreases():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_effect_size_is_how_far_flips_are_from_even():
    found = paired_difference([True] * 3 + [False], [False] * 3 + [True])
    assert found.effect == pytest.approx(0.25)
    assert paired_difference([True], [True]).effect == 0


def test_items_of_their_own_give_the_same_as_without_clusters():
    generator = np.random.default_rng(0)
    a, b = ((generator.random(40) < 0.6).tolist() for _ in range(2))
    own = [f"item {k}" for k in range(40)]
    assert paired_difference(a, b, clusters=own) == paired_difference(a, b)
    assert clustered_rate(a, own) == wilson(sum(a), 40)
    values = generator.random(40).tolist()
    assert bootstrap_mean(values, clusters=own, bounds=(0, 1)) == bootstrap_mean(values)


def test_copies_of_items_are_no_further_evidence():
    generator = np.random.default_rng(1)
    a, b = ((generator.random(30) < p).tolist() for p in (0.7, 0.4))
    thrice = [*range(30)] * 3
    one, three = paired_difference(a, b), paired_difference(a * 3, b * 3, clusters=thrice)
    assert three.p == pytest.approx(one.p)
    assert (three.low, three.high) == pytest.approx((one.low, one.high), abs=0.04)
    assert (three.n, three.clusters) == (90, 30)
    assert clustered_rate(a * 3, thrice) == pytest.approx(wilson(sum(a), 30), abs=1e-9)
    values = generator.random(30).tolist()
    assert bootstrap_mean(values * 3, clusters=thrice) == pytest.approx(bootstrap_mean(values), abs=0.02)


def test_the_test_of_clusters_tries_all_their_flips():
    first = [True, True, True, False, True, True, False, True]
    second = [False, False, False, True, False, True, False, False]
    of = [0, 0, 0, 1, 2, 2, 3, 3]
    sums = [3, -1, 1, 1]
    flipped = [abs(sum(s * d for s, d in zip(signs, sums, strict=True))) for signs in product((1, -1), repeat=4)]
    expected = np.mean([f >= 4 for f in flipped])
    assert paired_difference(first, second, clusters=of).p == pytest.approx(expected)


@pytest.mark.parametrize("alike", [0.0, 0.5, 1.0])
def test_a_rate_over_clusters_is_within_its_interval_in_95_of_100_studies(alike):
    generator, rate, runs = np.random.default_rng(2), 0.85, 500
    held = 0
    for _ in range(runs):
        of = np.repeat(np.arange(45), generator.integers(1, 4, 45))
        shared, own = (generator.random(size) < rate for size in (45, len(of)))
        hits = np.where(generator.random(len(of)) < alike, shared[of], own)
        _, low, high = clustered_rate(hits.tolist(), of.tolist())
        held += low <= rate <= high
    assert 0.92 < held / runs < 0.98


def test_clusters_that_all_agree_count_as_one_item_each():
    assert clustered_rate([True] * 40, [*range(10)] * 4) == pytest.approx(wilson(10, 10))


def test_equal_values_give_a_bound_or_no_interval():
    assert bootstrap_mean([0.25] * 20) == (0.25, None, None)
    assert bootstrap_mean([2.0]) == (2.0, None, None)
    # 0.168433: Clopper and Pearson's upper bound for 0 of 20.
    assert bootstrap_mean([1.0] * 20, bounds=(0, 1)) == pytest.approx((1, 1 - 0.168433, 1), abs=1e-6)
    half = bootstrap_mean([0.5] * 40, clusters=[*range(20)] * 2, bounds=(0, 1))
    assert half == pytest.approx((0.5, 0.5 - 0.168433 / 2, 0.5 + 0.168433 / 2), abs=1e-6)


def test_too_few_clusters_show_nothing():
    assert smallest_shown(60, clusters=6) == pytest.approx(0.1)
    assert smallest_shown(60, clusters=5) is None


def test_a_cluster_for_each_item_is_needed():
    for call in (
        lambda: clustered_rate([True], [1, 2]),
        lambda: bootstrap_mean([1.0], clusters=[]),
        lambda: paired_difference([True], [True], clusters=[1, 2]),
    ):
        with pytest.raises(UsageError, match="`clusters` of .* must hold one for each"):
            call()


@pytest.mark.parametrize(("n", "discordant", "comparisons"), [(96, 0.3, 1), (96, 0.3, 12), (48, 0.1, 4)])
def test_the_difference_that_is_probably_shown_is_shown_so_often(n: int, discordant: float, comparisons: int):
    found = likely_shown(n, discordant, comparisons)
    assert found is not None
    flips = max(discordant, found)
    drawn = np.random.default_rng(0).multinomial(n, [(flips + found) / 2, (flips - found) / 2, 1 - flips], 3000)
    ways = [(int(a), int(b)) for a, b, _ in drawn]
    p = {(a, b): binomtest(a, a + b).pvalue if a + b else 1.0 for a, b in set(ways)}
    shown = sum(bool(comparisons * p[way] < 0.05) for way in ways) / len(ways)
    assert shown == pytest.approx(0.8, abs=0.03)
    least = smallest_shown(n, comparisons)
    assert least is not None
    assert found > least


def test_too_few_items_show_nothing_even_probably():
    assert likely_shown(5, 0.5) is None
    assert likely_shown(1000, 0.0) == pytest.approx(0.008, abs=0.001)  # 6 of 1,000 must flip, all in one way
