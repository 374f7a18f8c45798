"""The relatives of the score: Shapley values, ablation, attention, gradient times input, and how methods agree."""

import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.contribution.items import conflict_items
from trimtab.contribution import (
    MCS,
    METHODS,
    Ablation,
    AttentionMass,
    GradientTimesInput,
    Shapley,
    agreement,
    measure,
)
from trimtab.contribution.ranks import auroc, spearman
from trimtab.contribution.spoiling import random_letters, shuffled_words, without
from trimtab.engine import encode, run
from trimtab.engine.local.whitebox import attention
from trimtab.errors import UsageError
from trimtab.items.prompts import prompt_for
from trimtab.media.picture import noise_picture, shuffled_picture
from trimtab.models import Model
from trimtab.testing import picture

ALL = [Shapley(), Shapley("log_probability"), Ablation(), Ablation("shuffle"), Ablation("noise"), AttentionMass()]


@pytest.mark.parametrize("method", [*ALL, GradientTimesInput()], ids=repr)
def test_a_batch_equals_one_item_alone(model: Model, method):
    items = conflict_items(3)
    together = measure(model, items, method=method)
    for item, c in zip(items, together, strict=True):
        alone = measure(model, [item], method=method)[0]
        assert (alone.image, alone.text) == pytest.approx((c.image, c.text), rel=1e-3, abs=1e-7)
        assert 0 <= c.ratio <= 1


def test_shapley_is_efficient(model: Model):
    item = conflict_items(1)[0]
    prompt = prompt_for(item)
    both, none = run(model, [prompt, without(prompt, "image", "text")]).logits.double().softmax(-1)
    found = measure(model, [item], method=Shapley())[0]
    token = both.argmax()
    assert found.image + found.text == pytest.approx(float(both[token] - none[token]), abs=1e-6)


def test_attention_mass_equals_eager_attention(model: Model):
    item = conflict_items(1)[0]
    prompt = encode(model, prompt_for(item))
    layers: list[torch.Tensor] = []
    hooks = [
        a.register_forward_hook(lambda _m, _a, output: layers.append(output[1])) for a in model.attentions.values()
    ]
    with attention(model, "eager"), torch.no_grad():
        model.hf(**model.family.native_inputs(model.hf, prompt.ids, prompt.media))
    for hook in hooks:
        hook.remove()
    mass = torch.stack([a[0, :, -1, prompt.span("image")].sum(-1).mean() for a in layers]).mean()
    assert measure(model, [item], method=AttentionMass())[0].image == pytest.approx(float(mass), rel=1e-5)


def test_gradient_times_input_equals_autograd_on_one_item(model: Model):
    item = conflict_items(1)[0]
    prompt = encode(model, prompt_for(item))
    leaf = model.embed(prompt.ids, prompt.media).clone().requires_grad_()
    mask = torch.ones(1, len(prompt), dtype=torch.long)
    hidden = model.decode(leaf[None], mask, prompt.positions[:, None])[0, -1]
    model.lm_head(hidden).log_softmax(-1).max().backward()
    assert leaf.grad is not None
    expected = (leaf.grad * leaf.detach())[prompt.span("image")].sum()
    assert measure(model, [item], method=GradientTimesInput())[0].image == pytest.approx(float(expected), rel=1e-3)


def test_items_without_context_cannot_be_asked_what_the_context_does(model: Model):
    bare = replace(conflict_items(1)[0], context="")
    found = measure(model, [bare], method=Shapley())
    assert not found
    assert "no context" in found.skipped[0].reason


def test_spoilt_inputs():
    image, chance = picture(3, (30, 41)), random.Random(0)
    shuffled = np.array(shuffled_picture(image, chance))
    assert sorted(shuffled.reshape(-1)) == sorted(np.array(image).reshape(-1))
    assert not np.array_equal(shuffled, np.array(image))
    assert noise_picture(image, chance).size == image.size
    assert sorted(shuffled_words("a b c d e f", chance).split()) == list("abcdef")
    spoilt = random_letters("The cat's 2 tails.", chance)
    assert [c.isalpha() for c in spoilt] == [c.isalpha() for c in "The cat's 2 tails."]


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Shapley("odds"), "value"),  # pyright: ignore
        (lambda: Ablation("erase"), "kind"),  # pyright: ignore
        (lambda: Ablation(draws=0), "draws"),
        (lambda: AttentionMass("words"), "text"),  # pyright: ignore
        (lambda: GradientTimesInput("words"), "text"),  # pyright: ignore
    ],
)
def test_refuses_bad_options(make, named: str):
    with pytest.raises(UsageError, match=named):
        make()


def test_agreement(model: Model):
    methods = {"mcs": MCS(estimator="sampled"), "shapley": Shapley(), "again": Shapley()}
    found = agreement(model, conflict_items(4), methods, reference="shapley", seeds=(0, 1))
    rows = {r["method"]: r for r in found.rows()}
    assert rows["again"]["correlation"] == pytest.approx(1)
    assert rows["again"]["bias"] == 0
    assert (rows["shapley"]["stability"], rows["shapley"]["spread"]) == (1, 0)
    assert rows["mcs"]["spread"] > 0
    assert found.correlations()["mcs", "shapley"] == pytest.approx(rows["mcs"]["correlation"])
    assert len(found.table()) == 3
    with pytest.raises(UsageError, match="reference"):
        agreement(model, conflict_items(4), methods, reference="nobody")
    with pytest.raises(UsageError, match="at least 3"):
        agreement(model, conflict_items(2), methods, reference="mcs")


def test_a_score_that_tells_all_items_apart_is_not_known_to_do_so_always():
    perfect = auroc([*range(20)], [k >= 8 for k in range(20)])
    # Eight pairs without a common item, none of them the wrong way: Clopper and Pearson's bound for 0 of 8.
    assert perfect[:3] == pytest.approx((1, 1 - 0.369417, 1), abs=1e-6)
    assert auroc([*range(20)], [k < 12 for k in range(20)])[:3] == pytest.approx((0, 0, 0.369417), abs=1e-6)
    assert auroc([1] * 16, [True, False] * 8)[:3] == pytest.approx(
        (0.5, 0.5 - 0.369417 / 2, 0.5 + 0.369417 / 2), abs=1e-6
    )


def test_rank_statistics():
    assert spearman([1, 2, 3], [10, 20, 15]) == pytest.approx(0.5)
    assert np.isnan(spearman([1, 1], [1, 2]))
    assert auroc([0.1, 0.4, 0.35, 0.8], [False, False, True, True]).value == pytest.approx(0.75)
    assert auroc([1, 1, 1, 1], [True, False, True, False]).value == pytest.approx(0.5)
    with pytest.raises(UsageError, match="both kinds"):
        auroc([1, 2], [True, True])


def test_every_method_is_registered_under_its_name():
    assert {name: make().name for name, make in METHODS.items()} == {name: name for name in METHODS}
