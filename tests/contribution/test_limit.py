"""The exact small-noise limit: its integral, its convergence, and what it refuses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import MCS, measure
from trimtab.contribution.limit import expected_ratio
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.testing import PLANTED_FAMILIES, tiny_model

ALL_TOKENS = MCS(estimator="limit", divergence="kl", top_tokens=400)


@pytest.fixture(scope="module", params=PLANTED_FAMILIES)
def exact(request: pytest.FixtureRequest) -> Model:
    """A tiny model in float64, whose rounding does not limit how small the noise can be."""
    model = tiny_model(request.param, layers=2, check=False)
    model.hf.to(torch.float64)
    return model


def test_the_integral_is_the_expectation():
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    other = torch.randn(5, 5, generator=generator, dtype=torch.float64)
    n, m = root @ root.T, other @ other.T
    w = torch.randn(400_000, 3, generator=generator, dtype=torch.float64) @ root.T
    sampled = ((w @ m) * w).sum(1) / w.square().sum(1)
    error = sampled.std() / len(w) ** 0.5
    assert float(expected_ratio(m, n)) == pytest.approx(float(sampled.mean()), abs=4 * float(error))


def test_the_integral_in_closed_form():
    one = torch.tensor([[3.0]], dtype=torch.float64)
    assert float(expected_ratio(7 * one, one)) == pytest.approx(21, rel=1e-9)
    even = torch.eye(4, dtype=torch.float64)
    m = torch.diag(torch.arange(4, dtype=torch.float64))
    assert float(expected_ratio(m, 0.2 * even)) == pytest.approx(1.5, rel=1e-9)
    assert float(expected_ratio(m, 0 * even)) == 0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"divergence": "js"},
        {"divergence": "ce"},
        {"gradient": "full"},
        {"gradient": "full", "constant": "half_variance"},
        {"steps": 2},
    ],
    ids=str,
)
def test_the_sampled_score_converges_to_it(exact: Model, options: dict):
    items = conflict_items(1)
    limit = measure(exact, items, method=replace(ALL_TOKENS, sigmas=(1e-4,), **options))[0]
    draws = 64
    by_seed = [
        measure(
            exact,
            items,
            method=replace(
                MCS(sigmas=(1e-4,), draws=draws, seed=s, estimator="sampled"),
                **{"divergence": "kl"} | options,
            ),
        )[0]
        for s in range(4)
    ]
    for modality in ("image", "text"):
        found = np.array([getattr(c, modality) for c in by_seed])
        error = found.std(ddof=1) / len(found) ** 0.5
        assert getattr(limit, modality) == pytest.approx(found.mean(), abs=6 * error + 1e-6 * found.mean())


def test_fewer_tokens_come_from_below(exact: Model):
    few, many, all_tokens = (
        measure(exact, conflict_items(1), method=replace(ALL_TOKENS, divergence="ce", top_tokens=k))[0]
        for k in (4, 64, 400)
    )
    for modality in ("image", "text"):
        scores = [getattr(c, modality) for c in (few, many, all_tokens)]
        assert scores == sorted(scores)


def test_is_the_same_for_every_seed_and_sigma(exact: Model):
    items = conflict_items(1)
    one, other = (
        measure(exact, items, method=replace(ALL_TOKENS, seed=s, sigmas=(sigma,))) for s, sigma in ((0, 0.1), (5, 0.3))
    )
    assert one[0].ratio == pytest.approx(other[0].ratio, rel=1e-9)


@pytest.mark.parametrize(
    "options",
    [{"divergence": "probability"}, {"site": "embeddings"}, {"average": "median"}, {"vocabulary": "answers"}],
    ids=str,
)
def test_refuses_what_has_no_limit(options: dict):
    with pytest.raises(UsageError, match=next(iter(options))):
        MCS(**{"estimator": "limit", "divergence": "kl"} | options)  # pyright: ignore
