"""Counterfactual pictures: the map is the tower's own attention, and weights are multiplied patch by patch."""

from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from trimtab.engine.local.whitebox import attention
from trimtab.errors import UnsupportedModelError
from trimtab.models import COUNTERFACTUALS, Counterfactual, Model, weighted_patches
from trimtab.models.patches import patch_weights
from trimtab.testing import picture, tiny_model

SIZES = ((56, 56), (84, 56), (56, 112))


def eager_attentions(model: Model, image: Any, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """What transformers' own eager attention makes of a picture in the tower, one table a call."""
    from transformers.models.clip import modeling_clip
    from transformers.models.qwen2_5_vl import modeling_qwen2_5_vl

    tables: list[Tensor] = []
    for module in (modeling_clip, modeling_qwen2_5_vl):
        eager = module.eager_attention_forward

        def recorded(*args: Any, _eager: Any = eager, **kwargs: Any) -> Any:
            output, weights = _eager(*args, **kwargs)
            tables.append(weights[0])
            return output, weights

        monkeypatch.setattr(module, "eager_attention_forward", recorded)
    with attention(model, "eager"):
        model.family.embed_media(model.hf, [model.show("image", image)])
    monkeypatch.undo()
    return tables


@pytest.mark.parametrize("size", SIZES)
def test_the_map_is_what_eager_attention_returns(model: Model, size: tuple, monkeypatch: pytest.MonkeyPatch):
    image = picture(1, size)
    tables = eager_attentions(model, image, monkeypatch)
    got = model.family.patch_attention(model.hf, model.show("image", image))
    # LLaVA's projector takes the output of the second of three layers; Qwen's last block attends to the whole picture.
    expected = {"llava": tables[1][:, 0, 1:], "qwen2_5_vl": tables[-1].mean(1)}[model.family.name]
    torch.testing.assert_close(got, expected)


def test_a_windowed_block_gives_each_patch_its_own_windows_attention(monkeypatch: pytest.MonkeyPatch):
    model = tiny_model("qwen2_5_vl", check=False)
    cast(Any, model.hf).model.visual.fullatt_block_indexes = [0]
    image = picture(1, (112, 112))
    windows = eager_attentions(model, image, monkeypatch)[1:]  # after the full first block
    got = model.family.patch_attention(model.hf, model.show("image", image))
    assert len(windows) > 1
    torch.testing.assert_close(got, torch.cat([w.sum(1) for w in windows], dim=1) / got.shape[-1])
    torch.testing.assert_close(got.sum(-1), torch.ones(len(got)))


@pytest.mark.parametrize("counterfactual", COUNTERFACTUALS)
def test_weights_are_seeded_and_keep_the_maps_mean(counterfactual: Counterfactual):
    attention = torch.rand(3, 20).softmax(-1)
    weights = patch_weights(attention, counterfactual, seed=5)
    assert weights.shape == (20,)
    assert weights.min() >= 0
    if counterfactual in ("shuffle", "uniform"):
        assert weights.mean() == pytest.approx(1 / 20, abs=1e-6)
    assert torch.equal(weights, patch_weights(attention, counterfactual, seed=5))
    drawn = counterfactual in ("shuffle", "random")
    assert torch.equal(weights, patch_weights(attention, counterfactual, seed=6)) != drawn


def test_shuffling_permutes_each_head_on_its_own():
    attention = torch.rand(1, 20)
    weights = patch_weights(attention, "shuffle", seed=5)
    torch.testing.assert_close(weights.sort().values, attention[0].sort().values)
    assert not torch.allclose(weights, attention[0])
    twice = patch_weights(attention.repeat(2, 1), "shuffle", seed=5)  # equal permutations would give equal weights
    assert not torch.allclose(twice, weights)


def test_reversing_takes_the_map_from_its_largest_value():
    attention = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.4, 0.2, 0.2, 0.2]])
    expected = torch.tensor([0.3, 0.4, 0.3, 0.2]) / 2
    torch.testing.assert_close(patch_weights(attention, "reversed", seed=0), expected)


def test_weights_of_one_change_nothing_and_others_only_their_own_patches(model: Model):
    plain = model.show("image", picture(1, (84, 56)))
    patches = model.family.patch_attention(model.hf, plain).shape[-1]
    (before,) = model.embed_media([plain])
    ones = replace(plain, weights=torch.ones(patches), key="ones")
    assert torch.equal(model.embed_media([ones])[0], before)
    some = torch.ones(patches)
    some[:4] = 0.5
    changed = (model.embed_media([replace(plain, weights=some, key="some")])[0] - before).abs().amax(-1) > 1e-6
    assert int(changed.sum()) == 4 * plain.n_tokens // patches
    model.forget_media()


def test_counterfactual_pictures_encoded_together_equal_each_alone(model: Model):
    every = [model.show("image", picture(i, size), "shuffle") for i, size in enumerate(SIZES)]
    plain = model.show("image", picture(0, SIZES[0]))
    model.forget_media()
    together = model.embed_media([*every, plain])
    for pixels, got in zip([*every, plain], together, strict=True):
        model.forget_media()
        torch.testing.assert_close(got, model.embed_media([pixels])[0])
    assert not torch.allclose(together[0], together[-1])


def test_equal_pictures_get_equal_counterfactuals_and_their_own_place(model: Model):
    first = model.show("image", picture(1), "shuffle")
    model.forget_media()
    again, other, plain = (
        model.show("image", picture(1), "shuffle"),
        model.show("image", picture(1), "random"),
        model.show("image", picture(1)),
    )
    assert first.weights is not None
    assert again.weights is not None
    assert torch.equal(first.weights, again.weights)
    assert plain.weights is None
    assert len({again.key, other.key, plain.key}) == 3
    assert first.key == again.key


def test_a_projector_that_is_never_called_is_refused(model: Model):
    pixels = [model.show("image", picture(1), "shuffle")]
    refused = pytest.raises(UnsupportedModelError, match="`projector`")
    with refused, weighted_patches(model.family, model.hf, pixels):
        pass
    projector = model.family.projector(model.hf)
    with pytest.raises(ZeroDivisionError), weighted_patches(model.family, model.hf, pixels):
        raise ZeroDivisionError
    assert not projector._forward_pre_hooks
