"""Contributions where layers have sliding windows, or pictures see each other: exact for what fits, left out if not."""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.contribution.items import conflict_items
from tests.contribution.naive import naive_scores
from tests.engine.test_contract import assert_same
from tests.models.odd_families import odd
from trimtab.contribution import MCS, AttentionMass, GradientTimesInput, measure
from trimtab.engine import encode
from trimtab.engine.local.whitebox import attention
from trimtab.errors import UnsupportedMethodError
from trimtab.items import Item
from trimtab.items.prompts import prompt_for
from trimtab.models import Model, self_check
from trimtab.testing import tiny_model

FAMILIES = ("gemma3", "aya_vision", "cohere2_vision")
SAMPLED: dict[str, Any] = {"divergence": "ce", "estimator": "sampled", "sigmas": (0.1, 0.3), "draws": 2}


@cache
def model_of(family: str, window: int, dtype: torch.dtype = torch.float32) -> Model:
    """A tiny model of four layers, every other of which sees so many tokens."""
    model = tiny_model(family, check=False)
    model.text_config.sliding_window = window
    for layer in model.layers:
        own: Any = layer.get_submodule("self_attn")
        if own.sliding_window is not None:
            own.sliding_window = window
    model.hf.to(dtype)
    model.forget_parts()
    self_check(model)
    assert {w for w in model.windows if w} == {window}
    return model


def lengths(family: str, items: list[Item]) -> list[int]:
    model = tiny_model(family, check=False)
    return [len(encode(model, prompt_for(item))) for item in items]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    "options", [{}, {"steps": 3, "divergence": "kl"}, {"gradient": "full"}, {"site": "embeddings"}], ids=str
)
def test_equals_one_perturbation_at_a_time_in_the_shortest_window_that_holds_the_prompt(family, options):
    items = conflict_items(2)
    steps = options.get("steps", 1)
    model = model_of(family, max(lengths(family, items)) + steps - 1)
    config = replace(MCS(**SAMPLED), **options)
    found = measure(model, items, method=config)
    assert [c.item_id for c in found] == [i.id for i in items]
    for item, c in zip(items, found, strict=True):
        expected = naive_scores(model, encode(model, prompt_for(item)), item, config)
        assert (c.image, c.text, c.ratio) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_longer_item_is_left_out_with_its_numbers(family):
    items = conflict_items(3)
    sizes = lengths(family, items)
    window = sorted(sizes)[1]
    assert max(sizes) > window
    model, longest = model_of(family, window), int(np.argmax(sizes))
    for method in (MCS(), AttentionMass()):
        found = measure(model, items, method=method)
        assert [c.item_id for c in found] == [i.id for n, i in enumerate(items) if n != longest]
        [skipped] = found.skipped
        assert skipped.row == longest + 1
        assert f"layer 0 sees {window} of {sizes[longest]} tokens (a sliding window)" in skipped.reason
    assert len(measure(model, items, method=MCS(**SAMPLED, site="embeddings"))) == 3
    assert measure(model, items, method=MCS(steps=2)).skipped[0].reason.count("tokens (a sliding window)") == 1


def test_the_sampled_score_converges_to_the_limit():
    items = conflict_items(1)
    model = model_of("gemma3", 400, torch.float64)
    exact = MCS(estimator="limit", divergence="kl", top_tokens=model.text_config.vocab_size, sigmas=(1e-4,))
    [limit] = measure(model, items, method=exact)
    sampled = MCS(estimator="sampled", divergence="kl", sigmas=(1e-4,), draws=64)
    by_seed = [measure(model, items, method=replace(sampled, seed=seed))[0] for seed in range(4)]
    for modality in ("image", "text"):
        found = np.array([getattr(c, modality) for c in by_seed])
        error = found.std(ddof=1) / len(found) ** 0.5
        assert getattr(limit, modality) == pytest.approx(found.mean(), abs=6 * error + 1e-6 * found.mean())


def test_attention_and_gradients_are_those_of_the_models_own_pass():
    model, item = model_of("gemma3", 400), conflict_items(1)[0]
    prompt = encode(model, prompt_for(item))
    given: dict[str, Any] = model.family.native_inputs(model.hf, prompt.ids, prompt.media)
    with attention(model, "eager"), torch.no_grad():
        maps = model.hf(**given, output_attentions=True).attentions
    mean = torch.stack([own[0, :, -1] for own in maps]).mean((0, 1))
    [found] = measure(model, [item], method=AttentionMass())
    assert found.image == pytest.approx(float(mean[prompt.span("image")].sum()), rel=1e-4)
    [traced] = measure(model, [item], method=GradientTimesInput())
    leaf = model.embed(prompt.ids, prompt.media)[None].requires_grad_()
    (mine,) = torch.autograd.grad(_own_logits(model, leaf, given)[0, -1].log_softmax(-1).max(), leaf)
    assert traced.image == pytest.approx(float((mine * leaf.detach())[0, prompt.span("image")].sum()), rel=1e-3)


def _own_logits(model: Model, embeds: torch.Tensor, given: dict[str, Any]) -> torch.Tensor:
    """The model's own forward pass over embeddings, masks by its own rule."""
    hf: Any = model.hf
    rest = {name: tensor for name, tensor in given.items() if name in ("attention_mask", "token_type_ids")}
    found = hf(inputs_embeds=embeds, **rest).logits
    with torch.no_grad():
        assert_same(found, hf(**given).logits)
    return found


@pytest.mark.parametrize("name", ["media_see_media", "per_layer_ids"])
def test_what_the_decoder_is_given_beside_embeddings_is_handed_on(name):
    model, item, config = odd(name, check=False), conflict_items(1)[0], replace(MCS(**SAMPLED), steps=2)
    [found] = measure(model, [item], method=config)
    expected = naive_scores(model, encode(model, prompt_for(item)), item, config)
    assert (found.image, found.text, found.ratio) == pytest.approx(expected, rel=1e-4)


def test_a_prompt_that_sees_all_of_itself_is_refused():
    with pytest.raises(UnsupportedMethodError, match="`contribution` must suit .* tokens of a prompt see each other"):
        measure(tiny_model("paligemma", check=False), conflict_items(1), method=MCS())
