"""Scores against models whose answer mixes image and text with a known weight."""

import math

import pytest

from tests.contribution.items import conflict_items
from trimtab.contribution import (
    MCS,
    Ablation,
    AttentionMass,
    GradientTimesInput,
    Shapley,
    measure,
)
from trimtab.contribution.spans import segment
from trimtab.engine import encode
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import PLANTED_FAMILIES, planted_model

VALUES = MCS(estimator="limit", divergence="kl", entries="values", top_tokens=400)
METHODS = [
    MCS(),
    MCS.paper(),
    MCS(divergence="ce", estimator="sampled"),
    MCS(divergence="kl", estimator="sampled"),
    MCS(divergence="probability", estimator="sampled", text="prompt"),
    Shapley(),
    Ablation(),
]


@pytest.fixture(scope="module", params=PLANTED_FAMILIES)
def planted(request: pytest.FixtureRequest) -> dict[float, Model]:
    return {w: planted_model(w, request.param) for w in (0.0, 0.3, 0.6, 1.0)}


def test_known_weight_known_ratio(planted: dict[float, Model]):
    item = conflict_items(1)[0]
    for weight, model in planted.items():
        prompt = encode(model, prompt_for(item))
        image, text = len(segment(prompt, "image")), len(segment(prompt, "text"))
        others = len(prompt) - image
        from_image, from_text = weight**2 / image, (1 - weight) ** 2 * text / others**2
        found = measure(model, [item], method=VALUES)[0]
        assert found.ratio == pytest.approx(from_image / (from_image + from_text), abs=0.01)


@pytest.mark.parametrize("divergence", ["ce", "kl"])
@pytest.mark.parametrize("estimator", ["sampled", "limit"])
def test_exactly_zero_for_a_modality_that_cannot_reach_the_answer(
    planted: dict[float, Model], estimator: str, divergence: str
):
    config = MCS(estimator=estimator, divergence=divergence)  # pyright: ignore
    for weight, absent, other in ((0.0, "image", "text"), (1.0, "text", "image")):
        found = measure(planted[weight], conflict_items(2), method=config)
        assert all(getattr(c, absent) == 0 < getattr(c, other) for c in found)
        assert all(c.ratio == weight for c in found)


def test_the_default_is_exactly_zero_too(planted: dict[float, Model]):
    for weight, absent, other in ((0.0, "image", "text"), (1.0, "text", "image")):
        for c in measure(planted[weight], conflict_items(3)):
            assert getattr(c, absent) == 0 < abs(getattr(c, other))
            assert c.ratio == weight


@pytest.mark.parametrize("method", METHODS, ids=[f"{m.name}-{place}" for place, m in enumerate(METHODS)])
def test_orders_and_separates_the_weights(planted: dict[float, Model], method):
    found = {w: measure(m, conflict_items(3), method=method) for w, m in planted.items()}
    means = [sum(c.ratio for c in found[w]) / 3 for w in sorted(found)]
    assert means == sorted(means)
    assert means[0] == pytest.approx(0, abs=0.01)
    assert means[-1] == pytest.approx(1, abs=0.01)


def test_gradient_times_input_separates_the_ends_only(planted: dict[float, Model]):
    ratios = [measure(planted[w], conflict_items(1), method=GradientTimesInput())[0].ratio for w in (0.0, 0.6, 1.0)]
    assert ratios[0] == 0 < ratios[1] < 1 == ratios[2]


def test_attention_looks_at_what_the_answer_does_not_use(planted: dict[float, Model]):
    ratios = [measure(m, conflict_items(1), method=AttentionMass())[0].ratio for m in planted.values()]
    assert not any(math.isnan(r) for r in ratios)
    assert max(ratios) - min(ratios) < 0.01


def test_refuses_a_weight_out_of_range():
    with pytest.raises(UsageError, match="image_weight"):
        planted_model(1.5)


def test_refuses_a_family_that_nothing_is_planted_in():
    with pytest.raises(UsageError, match="`family` of planted_model must be one of qwen2_5_vl, llava; got 'gemma3'"):
        planted_model(0.5, "gemma3")
