"""Quantised checkpoints: turned back into plain weights where that is exact, refused with what to do elsewhere."""

from typing import Any, cast

import pytest
import torch

from tests.models.folders import copy, edit, edit_weights, save
from trimtab.errors import UnsupportedModelError
from trimtab.models import load
from trimtab.testing import tiny_model


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return save(tiny_model("qwen2_5_vl", check=False), folder / "qwen")


@pytest.fixture
def folder(whole, tmp_path):
    return copy(whole, tmp_path / "model")


QUANTISED = [
    {"quant_method": "awq", "bits": 4},
    {"quant_method": "gptq", "bits": 4},
    {"quant_method": "bitsandbytes", "load_in_4bit": True},
    {"load_in_8bit": True},
    {"quant_method": "compressed-tensors"},
    {"quant_method": "nonesuch"},
]


@pytest.mark.parametrize("said", QUANTISED)
def test_quantised_weights_are_refused_with_what_to_do(folder, said):
    edit(folder, "config.json", quantization_config=said)
    method = said.get("quant_method", "bitsandbytes")
    with pytest.raises(UnsupportedModelError, match=rf"is quantised by {method}; load the checkpoint it was made from"):
        load(folder)


@pytest.mark.parametrize("plain", [torch.float32, torch.bfloat16])
def test_fp8_weights_are_turned_back_into_plain_ones(folder, plain):
    blocks = {}

    def quantise(weights):
        for name in [n for n in weights if ".mlp.up_proj.weight" in n and "visual" not in n]:
            w = weights[name]
            scale = w.abs().amax() / 448
            blocks[name] = (w / scale).to(torch.float8_e4m3fn).float() * scale
            weights[name] = (w / scale).to(torch.float8_e4m3fn)
            weights[name.replace("weight", "weight_scale_inv")] = scale.reshape(1, 1)
        return {n: w.to(plain) if w.dtype == torch.float32 and "scale_inv" not in n else w for n, w in weights.items()}

    edit_weights(folder, quantise)
    kept = ["visual", "q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "down_proj", "lm_head"]
    edit(
        folder,
        "config.json",
        quantization_config={
            "quant_method": "fp8",
            "activation_scheme": "dynamic",
            "weight_block_size": [128, 128],
            "modules_to_not_convert": kept,
        },
    )
    model = load(folder, dtype="float32")
    assert model.report.quantization == "fp8"
    assert {p.dtype for p in model.hf.parameters()} == {torch.float32}
    loaded = cast(Any, model.layers[2]).mlp.up_proj.weight
    torch.testing.assert_close(loaded, blocks["model.layers.2.mlp.up_proj.weight"], rtol=1e-2, atol=1e-3)
