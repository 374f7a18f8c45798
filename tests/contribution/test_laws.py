"""What the score must do whatever the model: scaling laws, bounds, exact zeros, determinism."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import MCS, Contributions, measure
from trimtab.models import Model

SMALL = MCS(sigmas=(0.02,), draws=4, divergence="ce", estimator="sampled")


def total(model: Model, **options) -> float:
    found = measure(model, conflict_items(1), method=replace(SMALL, **options))
    return sum(c.image + c.text for c in found)


def test_cross_entropy_grows_with_the_square_of_sigma(model: Model):
    small, large = (total(model, sigmas=(s,), divergence="ce") for s in (0.02, 0.04))
    assert large / small == pytest.approx(4, rel=0.1)


@pytest.mark.parametrize("divergence", ["kl", "kl_reversed", "js", "ce_reversed", "probability"])
def test_the_others_hardly_depend_on_sigma(model: Model, divergence: str):
    small, large = (total(model, sigmas=(s,), divergence=divergence) for s in (0.02, 0.04))
    assert large / small == pytest.approx(1, rel=0.1)


def test_js_is_a_quarter_of_kl_for_small_noise(model: Model):
    assert total(model, divergence="kl") / total(model, divergence="js") == pytest.approx(4, rel=0.05)


def test_constants(model: Model):
    assert total(model, constant="half") == pytest.approx(total(model) / 2, rel=1e-6)
    sigma, absolute = 0.02, {"scale": "absolute", "divergence": "kl"}
    with_variance = total(model, constant="half_variance", **absolute)
    assert with_variance == pytest.approx(total(model, **absolute) * sigma**2 / 2, rel=1e-5)


def test_keys_and_values_sum_in_the_gradient_of_both(model: Model):
    # With noise this small, and gradients of the whole cache, the parts differ only by where the noise is.
    whole = total(model, gradient="full", divergence="ce_reversed", sigmas=(1e-3,))
    for part in ("keys", "values"):
        own = total(model, gradient="full", divergence="ce_reversed", sigmas=(1e-3,), entries=part)
        assert own == pytest.approx(whole, rel=0.01)
    segments = [total(model, divergence="ce_reversed", sigmas=(1e-3,), entries=e) for e in ("keys", "values", "both")]
    assert segments[0] + segments[1] == pytest.approx(segments[2], rel=0.01)


def test_all_text_is_more_than_the_context(model: Model):
    # CE(p_z, p_x) has a gradient of its own without noise, so scores of disjoint parts add up.
    config = replace(SMALL, divergence="ce_reversed", sigmas=(1e-3,))
    by_span = [
        measure(model, conflict_items(1), method=replace(config, text=t))[0].text
        for t in ("context", "user_text", "prompt")
    ]
    assert by_span == sorted(by_span)
    assert by_span[0] < by_span[2]


def test_token_normalisation_divides_by_counts(model: Model):
    plain, tokens = (
        measure(model, conflict_items(1), method=replace(SMALL, normalise=n))[0] for n in ("none", "tokens")
    )
    image_tokens, text_tokens = plain.image / tokens.image, plain.text / tokens.text
    assert image_tokens == pytest.approx(round(image_tokens), rel=1e-6)
    assert text_tokens == pytest.approx(round(text_tokens), rel=1e-6)
    entries = measure(model, conflict_items(1), method=replace(SMALL, normalise="entries"))[0]
    assert entries.ratio == pytest.approx(tokens.ratio, rel=1e-6)


@pytest.fixture
def silent_heads(model: Model) -> Iterator[Model]:
    """The model with attention that says nothing."""
    weights = [projection.get_parameter("weight") for projection in model.head_outputs.values()]
    before = [weight.data for weight in weights]
    for weight in weights:
        weight.data = torch.zeros_like(weight)
    yield model
    for weight, values in zip(weights, before, strict=True):
        weight.data = values


@pytest.mark.parametrize("estimator", ["sampled", "limit"])
def test_no_modality_reaches_the_answer(silent_heads: Model, estimator: str):
    config = MCS(estimator=estimator, divergence="kl")  # pyright: ignore[reportArgumentType]
    found = measure(silent_heads, conflict_items(2), method=config)
    assert [(c.image, c.text) for c in found] == [(0, 0)] * 2
    assert all(math.isnan(c.ratio) for c in found)
    assert all(math.isnan(r) for r in found.ratio_by_task().values())


def test_a_certain_answer_scores_zero_instead_of_dividing_by_zero(model: Model, monkeypatch: pytest.MonkeyPatch):
    sure = torch.zeros_like(model.lm_head.get_parameter("weight"))
    monkeypatch.setattr(model, "lm_head", lambda h: torch.nn.functional.linear(h, sure) + torch.eye(len(sure))[0] * 1e4)
    found = measure(model, conflict_items(1), method=MCS())[0]
    assert (found.image, found.text) == (0, 0)


def test_same_seed_same_score_other_seed_other_score(model: Model):
    items = conflict_items(2)
    first, again, other = (measure(model, items, method=MCS(seed=seed, estimator="sampled")) for seed in (0, 0, 1))
    assert first == again
    assert all(a.image != b.image and a.text != b.text for a, b in zip(first, other, strict=True))


def test_order_does_not_matter(model: Model):
    items = conflict_items()
    forward, backward = (measure(model, given, method=MCS()) for given in (items, items[::-1]))
    for a, b in zip(forward, backward[::-1], strict=True):
        assert a.item_id == b.item_id
        assert (a.image, a.text) == pytest.approx((b.image, b.text), rel=1e-4)


def test_an_instruction_changes_the_score_but_is_not_text(model: Model):
    plain = measure(model, conflict_items(1), method=MCS())
    told = measure(model, conflict_items(1), method=MCS(), instruction="you should follow the image content")
    assert plain != told
    assert isinstance(told, Contributions)


def test_leaves_nothing_behind(model: Model):
    before = model.text_config._attn_implementation
    measure(model, conflict_items(1), method=MCS())
    assert all(p.grad is None and not p.requires_grad for p in model.hf.parameters())
    assert model.text_config._attn_implementation == before
