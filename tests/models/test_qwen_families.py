"""Qwen2-VL and Qwen3-VL on the contract: the fast path does what their own code does, with every kind of edit."""

from functools import cache

import pytest
import torch

from tests.contribution.items import conflict_items
from tests.contribution.naive import naive_scores
from tests.engine.prompts import varied_prompts
from tests.engine.test_contract import assert_same, rows_with_every_edit
from trimtab.contribution import MCS, measure
from trimtab.engine import BlockAttention, Read, Row, ScaleHeads, encode, generate, run
from trimtab.errors import UnsupportedMethodError
from trimtab.items.prompts import prompt_for
from trimtab.models import Model
from trimtab.testing import tiny_model

FAMILIES = ("qwen2_vl", "qwen3_vl", "qwen3_vl_moe")


@cache
def model_of(family: str) -> Model:
    return tiny_model(family)


@pytest.mark.parametrize("family", FAMILIES)
def test_fast_path_equals_plain_reference(family):
    model = model_of(family)
    rows, read = rows_with_every_edit(model), Read(hidden=(0, 2, 3), heads=(1, 3))
    first = varied_prompts()[0]
    inside = int(encode(model, first).spans["image"][1])
    rows += [
        Row(first, (ScaleHeads(1, (0, 2), factor=0.0),)),
        Row(first, (BlockAttention(("image",), ("question",), layers=(0, 2)),)),
        Row(first, (BlockAttention((0,), (inside,), layers=(1,)),)),
    ]
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    assert_same(fast.logits, plain.logits)
    for layer in read.hidden:
        assert_same(fast.hidden[layer], plain.hidden[layer])
    assert fast.cost.tokens < plain.cost.tokens


@pytest.mark.parametrize("family", FAMILIES)
def test_answers_equal_those_of_its_own_generate(family):
    model, prompts = model_of(family), varied_prompts()
    assert (
        generate(model, prompts, max_new_tokens=6).tokens
        == generate(model, prompts, max_new_tokens=6, reuse=False).tokens
    )


def test_qwen2_vl_shows_counterfactual_pictures_and_is_measured():
    model = model_of("qwen2_vl")
    prompts = [p.with_image_counterfactual("shuffle") for p in varied_prompts() if p.images]
    assert_same(run(model, prompts).logits, run(model, prompts, reuse=False).logits)


@pytest.mark.parametrize("family", FAMILIES)
def test_contributions_equal_those_of_the_plain_way(family):
    model, item = model_of(family), conflict_items(1)[0]
    config = MCS(divergence="ce", estimator="sampled", sigmas=(0.1,), draws=2)
    [scored] = measure(model, [item], method=config)
    image, text, _ = naive_scores(model, encode(model, prompt_for(item)), item, config)
    assert (scored.image, scored.text) == pytest.approx((image, text), rel=1e-4)


def test_what_qwen3_vl_does_not_take_is_refused_with_a_reason():
    model = model_of("qwen3_vl")
    changed = [p.with_image_counterfactual("shuffle") for p in varied_prompts() if p.images]
    with pytest.raises(UnsupportedMethodError, match="family qwen3_vl has none"):
        run(model, changed)
    with pytest.raises(UnsupportedMethodError, match="`extras` of a pass must be given"):
        measure(model, conflict_items(1), method=MCS(site="embeddings", divergence="ce", estimator="sampled"))


def test_features_of_qwen3_vl_enter_after_its_first_layers():
    model = model_of("qwen3_vl")
    prompt = encode(model, varied_prompts()[0])
    given = model.extras(prompt.ids, prompt.media)
    assert given["streams"].shape == (len(prompt), 2, model.hidden_size)
    assert torch.equal(given["shown"].nonzero()[:, 0], prompt.spans["image"])
    assert not given["streams"][~given["shown"]].any()
    assert not model.can_begin_late
