"""A fingerprint is that of the weights, at any size, in any type, wherever they rest."""

from typing import Any, cast

import pytest
import torch
from torch import nn

from trimtab.artifact_checks import check_model
from trimtab.errors import ArtifactError, UnsupportedModelError
from trimtab.models import load
from trimtab.models.fingerprint import weights_fingerprint
from trimtab.testing import tiny_model


class Bare(nn.Module):
    """One tensor with a configuration."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.config = cast(Any, tiny_model("llava", check=False).hf).config


@pytest.mark.parametrize("size", [2**24 + 2, 2**31 + 1])
def test_the_last_value_counts_at_any_size(size):
    weight = torch.ones(1, dtype=torch.int8).expand(size) if size > 2**30 else torch.ones(size, dtype=torch.int8)
    before = weights_fingerprint(Bare(weight))
    assert len(before) == 16
    if size < 2**30:
        weight[-1] = -1
        assert weights_fingerprint(Bare(weight)) != before


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_one_checkpoint_has_one_fingerprint_in_every_type(family):
    hf = tiny_model(family, check=False).hf
    found = {weights_fingerprint(hf.to(dtype)) for dtype in (torch.float32, torch.float16, torch.bfloat16)}
    assert len(found) == 1


def test_bundled_models_too():
    assert len({load("pocket-qwen", dtype=d, check=False).fingerprint for d in ("float32", "bfloat16", "float16")}) == 1


def test_a_small_step_of_training_shows_in_every_type():
    model = tiny_model("llava", check=False)
    before = weights_fingerprint(model.hf)
    with torch.no_grad():
        layer: Any = model.layers[1]
        layer.mlp.up_proj.weight += 1e-3 * torch.randn_like(layer.mlp.up_proj.weight)
    assert weights_fingerprint(model.hf) != before


def test_tensors_without_values_are_refused():
    with pytest.raises(UnsupportedModelError, match="is on the meta device, which keeps none"):
        weights_fingerprint(tiny_model("llava", check=False).hf.to("meta"))


def test_a_foreign_model_is_refused_with_what_may_differ():
    model = tiny_model("llava", check=False)
    with pytest.raises(ArtifactError, match=r"got tiny-llava \(fingerprint .*other weights under one name"):
        check_model("mean", ("tiny-llava", "0" * 16), (model.name, model.fingerprint))
    with pytest.raises(ArtifactError, match=r"fitted on, other .*got tiny-llava"):
        check_model("mean", ("other", "0" * 16), (model.name, model.fingerprint))
