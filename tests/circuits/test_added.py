"""Parts of the margin are those that single heads add, or they are refused: where a norm stands behind the heads."""

from typing import Any

import pytest
import torch

from tests.circuits.conftest import tiny_items
from trimtab.circuits import build_cases, decompose, head_scores
from trimtab.errors import UnsupportedMethodError
from trimtab.models import require_heads_added
from trimtab.studies.circuits import CircuitsPlan, CircuitsStudy
from trimtab.testing import tiny_model

BEHIND_NORMS = ("gemma3", "gemma4", "glm4v", "paligemma")


@pytest.mark.parametrize("family", BEHIND_NORMS)
def test_norms_behind_heads_are_found_without_being_told(family: str, monkeypatch: pytest.MonkeyPatch):
    model = tiny_model(family, check=False)
    monkeypatch.setattr(type(model.family), "refuses", {})
    with pytest.raises(UnsupportedMethodError, match=f"in layer 0 of .* of family {family}"):
        require_heads_added(model, "decompose")


@pytest.mark.parametrize("family", BEHIND_NORMS)
def test_families_with_norms_behind_heads_are_refused(family: str):
    model = tiny_model(family, check=False)
    with pytest.raises(UnsupportedMethodError, match="`decompose` must .* family " + family):
        require_heads_added(model, "decompose")
    with pytest.raises(UnsupportedMethodError, match="`decompose` must"):
        decompose(model, [])
    with pytest.raises(UnsupportedMethodError, match="`decompose` must"):
        head_scores(model, [], "direct")
    with pytest.raises(UnsupportedMethodError, match="`decompose` must"):
        CircuitsStudy(CircuitsPlan(model=family)).check(model)


@pytest.mark.parametrize("family", ["llava", "aya_vision", "qwen3_5", "qwen3_vl_moe"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_heads_that_are_added_are_found(family: str, dtype: torch.dtype):
    """Before an MLP or beside it, in layers that attend, and whatever the rounding."""
    model = tiny_model(family, check=False)
    model.hf.to(dtype)
    require_heads_added(model, "decompose")


def test_a_norm_in_one_layer_alone_is_found():
    model = tiny_model("llava", check=False)
    cases = build_cases(model, tiny_items()[:1])
    decompose(model, list(cases))
    attention: Any = model.attentions[2]
    attention.register_forward_hook(lambda _m, _a, out: (torch.nn.functional.rms_norm(out[0], out[0].shape[-1:]), None))
    with pytest.raises(UnsupportedMethodError, match="in layer 2 of"):
        decompose(model, list(cases))
