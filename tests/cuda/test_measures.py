"""Contributions on a GPU: what is exact equals the CPU's, what is drawn agrees with it, the planted truth is found."""

import pytest
import torch

import trimtab as tt
from tests.contribution.items import conflict_items
from tests.cuda.conftest import TINY, model_on
from trimtab.contribution import MCS, METHODS, noise
from trimtab.testing import PLANTED_FAMILIES, planted_model

SAMPLED = MCS.paper(draws=64)


def planted(weight: float, family: str) -> tt.Model:
    model = planted_model(weight, family)
    model.hf.to("cuda")
    model.forget_parts()
    return model


@pytest.mark.parametrize("name", [*TINY, "pocket-qwen", "pocket-llava"])
def test_the_limit_equals_the_cpus(name: str):
    items = conflict_items()
    here, there = (tt.measure(model_on(name, device), items) for device in ("cuda", "cpu"))
    assert not here.skipped
    for ours, theirs in zip(here, there, strict=True):
        assert ours.image == pytest.approx(theirs.image, rel=2e-3)
        assert ours.text == pytest.approx(theirs.text, rel=2e-3)


@pytest.mark.parametrize("name", TINY)
def test_the_sampled_score_equals_the_cpus_under_the_same_noise(name: str, monkeypatch: pytest.MonkeyPatch):
    draw = noise.draw_into

    def drawn(found: torch.Tensor, key: noise.Key) -> None:  # a GPU draws other numbers, so both take the CPU's
        own = torch.empty(found.shape)
        draw(own, key)
        found.copy_(own)

    monkeypatch.setattr(noise, "draw_into", drawn)
    items = conflict_items()
    here, there = (tt.measure(model_on(name, device), items, method=SAMPLED) for device in ("cuda", "cpu"))
    for ours, theirs in zip(here, there, strict=True):
        assert ours.image == pytest.approx(theirs.image, rel=5e-3)
        assert ours.text == pytest.approx(theirs.text, rel=5e-3)


@pytest.mark.parametrize("name", TINY)
def test_the_gpus_own_noise_repeats(name: str):
    first, again = (tt.measure(model_on(name), conflict_items(1), method=SAMPLED)[0] for _ in range(2))
    assert (again.image, again.text) == pytest.approx((first.image, first.text), rel=1e-3)


@pytest.mark.parametrize("family", PLANTED_FAMILIES)
@pytest.mark.parametrize("method", [MCS(), MCS.paper(), MCS(estimator="sampled", divergence="kl")])
def test_a_modality_that_cannot_reach_the_answer_scores_exactly_zero(family: str, method: MCS):
    for weight, absent in ((0.0, "image"), (1.0, "text")):
        found = tt.measure(planted(weight, family), conflict_items(2), method=method)
        assert all(getattr(c, absent) == 0 for c in found)
        assert all(c.image + c.text > 0 for c in found)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_measures_on_the_gpu(method: str):
    items, own = conflict_items(), METHODS[method]()
    here, there = (tt.measure(model_on(TINY[0], device), items, method=own) for device in ("cuda", "cpu"))
    for ours, theirs in zip(here, there, strict=True):
        assert ours.image == pytest.approx(theirs.image, rel=5e-3, abs=1e-5)
        assert ours.text == pytest.approx(theirs.text, rel=5e-3, abs=1e-5)


@pytest.mark.parametrize(
    "method",
    [
        MCS(estimator="sampled", site="embeddings"),
        MCS(estimator="sampled", gradient="full", steps=3),
        MCS(estimator="sampled", vocabulary="answers", average="median", constant="half_variance"),
        MCS(steps=3, layers=(1, -1), entries="values"),
    ],
)
def test_other_readings_of_the_score_are_finite_and_do_not_depend_on_the_batch(method: MCS):
    model, items = model_on(TINY[1]), conflict_items()
    together = tt.measure(model, items, method=method)
    assert not together.skipped
    for item, found in zip(items, together, strict=True):
        alone = tt.measure(model, [item], method=method)[0]
        assert (alone.image, alone.text) == pytest.approx((found.image, found.text), rel=5e-3)
