"""What the score must do whatever the model: scaling laws, exact zeros, determinism."""

import math
from collections.abc import Iterator

import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import ContributionConfig, Contributions, contribution
from trimtab.data.prompts import MODALITIES, prompt_for
from trimtab.engine import encode
from trimtab.models import Model


def mean_score(model: Model, sigma: float, **options) -> float:
    found = contribution(model, conflict_items(1), config=ContributionConfig(sigmas=(sigma,), draws=6, **options))
    return sum(c.image + c.text for c in found)


def test_cross_entropy_grows_with_the_square_of_sigma(model: Model):
    small, large = (mean_score(model, s, divergence="ce") for s in (0.02, 0.04))
    assert large / small == pytest.approx(4, rel=0.4)


def test_kl_hardly_depends_on_sigma(model: Model):
    small, large = (mean_score(model, s, divergence="kl") for s in (0.02, 0.04))
    assert large / small == pytest.approx(1, rel=0.3)


@pytest.mark.parametrize("hidden", MODALITIES)
def test_a_modality_that_cannot_reach_the_answer_scores_exactly_zero(
    model: Model, monkeypatch: pytest.MonkeyPatch, hidden: str
):
    item = conflict_items(1)[0]
    prompt = encode(model, prompt_for(item))
    spans = ["image"] if hidden == "image" else ["context", "question"]
    decode = model.decode

    def blind(embeds, mask, positions, cache=None):
        mask = mask.clone()
        for span in spans:
            mask[:, prompt.span(span)] = 0
        return decode(embeds, mask, positions, cache)

    monkeypatch.setattr(model, "decode", blind)
    found = contribution(model, [item])[0]
    other = "text" if hidden == "image" else "image"
    assert getattr(found, hidden) == 0
    assert getattr(found, other) > 0
    assert found.ratio == (0 if hidden == "image" else 1)


@pytest.fixture
def silent_heads(model: Model) -> Iterator[Model]:
    """The model with attention that says nothing."""
    weights = [projection.get_parameter("weight") for projection in model.head_outputs]
    before = [weight.data for weight in weights]
    for weight in weights:
        weight.data = torch.zeros_like(weight)
    yield model
    for weight, values in zip(weights, before, strict=True):
        weight.data = values


def test_no_modality_reaches_the_answer(silent_heads: Model):
    found = contribution(silent_heads, conflict_items(2))
    assert [(c.image, c.text) for c in found] == [(0, 0)] * 2
    assert all(math.isnan(c.ratio) for c in found)
    assert all(math.isnan(r) for r in found.ratio_by_task().values())


def test_a_certain_answer_scores_zero_instead_of_dividing_by_zero(model: Model, monkeypatch: pytest.MonkeyPatch):
    sure = torch.zeros_like(model.lm_head.get_parameter("weight"))
    monkeypatch.setattr(model, "lm_head", lambda h: torch.nn.functional.linear(h, sure) + torch.eye(len(sure))[0] * 1e4)
    found = contribution(model, conflict_items(1))[0]
    assert (found.image, found.text) == (0, 0)


def test_same_seed_same_score_other_seed_other_score(model: Model):
    items = conflict_items(2)
    first, again = contribution(model, items), contribution(model, items)
    assert first == again
    other = contribution(model, items, config=ContributionConfig(seed=1))
    assert all(a.image != b.image and a.text != b.text for a, b in zip(first, other, strict=True))


def test_order_does_not_matter(model: Model):
    items = conflict_items()
    forward, backward = contribution(model, items), contribution(model, items[::-1])
    for a, b in zip(forward, backward[::-1], strict=True):
        assert a.item_id == b.item_id
        assert (a.image, a.text) == pytest.approx((b.image, b.text), rel=1e-4)


def test_an_instruction_changes_the_score_but_is_not_text(model: Model):
    plain = contribution(model, conflict_items(1))
    told = contribution(model, conflict_items(1), instruction="you should follow the image content")
    assert plain != told
    assert isinstance(told, Contributions)


def test_leaves_no_gradient_behind(model: Model):
    contribution(model, conflict_items(1))
    assert all(p.grad is None and not p.requires_grad for p in model.hf.parameters())
