"""Gemma 4: every kind of decoder there is of it, and its silent traps."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch

from tests.engine import test_contract
from trimtab.circuits import build_cases, mean_outputs
from trimtab.engine import AddVector, BlockAttention, Prompt, Read, ReplaceHeads, Row, ScaleHeads, encode, generate, run
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError, UsageError
from trimtab.items import read_items
from trimtab.models import Model, from_parts
from trimtab.testing import picture, tiny_model
from trimtab.testing.tiny.gemma4 import made

PROMPTS = [
    Prompt("What is it?", (picture(1, (56, 84)), picture(2)), "Two cats play."),
    Prompt("Who is happy?", picture(2, (90, 30))),
    Prompt("What is it?", (), "Two cats play with a ball in the garden."),
]
VARIANTS: dict[str, dict[str, Any]] = {
    "small": {"hidden_size_per_layer_input": 8, "num_kv_shared_layers": 2, "use_double_wide_mlp": True},
    "large": {
        "use_bidirectional_attention": "vision",
        "attention_k_eq_v": True,
        "num_global_key_value_heads": 1,
    },
    "experts": {
        "use_bidirectional_attention": "vision",
        "enable_moe_block": True,
        "num_experts": 4,
        "top_k_experts": 2,
        "moe_intermediate_size": 32,
    },
    "shared": {"num_kv_shared_layers": 2},
}
KV_HEADS = {"small": (2, 2, 0, 0), "large": (2, 1, 2, 1), "experts": (2, 2, 2, 2), "shared": (2, 2, 0, 0)}


@cache
def variant(name: str) -> Model:
    torch.manual_seed(2)
    return from_parts(*made(4, **VARIANTS[name]), name=f"gemma4-{name}")


@pytest.mark.parametrize("name", VARIANTS)
def test_each_kind_of_decoder_runs_as_its_own_forward_and_generate(name):
    model = variant(name)
    assert model.windows == (24, None, 24, None)
    assert model.head_dims == (16, 32, 16, 32)
    assert model.kv_heads == KV_HEADS[name]
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    edits = [
        AddVector(0, vector, 2.0, "all"),  # answers with a picture's token, which is embedded as padding is
        AddVector(3, vector, 2.0, "last_prompt"),
        ScaleHeads(3, (0, 2)),
        ReplaceHeads(-1, (1,), ("last",), torch.ones(1, 32)),
        ReplaceHeads(2, (1,), ("question", "generated"), torch.ones(1, 16)),
        BlockAttention(("question",), ("last", "generated"), layers=(2, 3)),
    ]
    rows = [Row(p) for p in PROMPTS] + [Row(PROMPTS[0], (edit,)) for edit in edits]
    read = Read(hidden=(1, 3), heads=(2, 3))
    fast, plain = run(model, rows, read), run(model, rows, read, reuse=False)
    test_contract.assert_same(fast.logits, plain.logits)
    for layer in (2, 3):
        test_contract.assert_same(fast.heads[layer], plain.heads[layer])
    answers = [generate(model, rows, max_new_tokens=5, reuse=reuse) for reuse in (True, False)]
    assert answers[0].tokens == answers[1].tokens
    counts = [
        sorted((e["edit"], e["layer"], e["prompt_positions"], e["generated_positions"]) for e in a.receipt.table())
        for a in answers
    ]
    assert counts[0] == counts[1]


def test_pictures_see_themselves_in_windows_alone():
    """Every layer's mask is the one that the model's own forward makes."""
    model, found = tiny_model("gemma4", check=False), []
    encoded = encode(model, PROMPTS[0])
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    hooks = [
        part.register_forward_pre_hook(lambda _m, _a, k: found.append(k["attention_mask"]), with_kwargs=True)
        for part in model.attentions.values()
    ]
    model.hf(**given, use_cache=False)
    run(model, [PROMPTS[0]])
    for hook in hooks:
        hook.remove()
    for own, ours in zip(found[:4], found[4:], strict=True):
        own = torch.ones(ours.shape[-2:], dtype=torch.bool).tril() if own is None else own
        assert torch.equal(own.expand_as(ours), ours)
    image = encoded.spans["image"]
    assert found[4][0, 0, image[0], image[10]]
    assert not found[4][0, 0, image[60], image[10]]
    assert not found[5][0, 0, image[0], image[10]]


def test_pictures_are_masked_even_if_token_types_are_left_out():
    model = tiny_model("gemma4", check=False)
    encoded = encode(model, PROMPTS[0])
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    bare = {name: tensor for name, tensor in given.items() if name != "mm_token_type_ids"}
    hf: Any = model.hf
    assert torch.equal(hf(**bare).logits, hf(**given).logits)
    options = {"max_new_tokens": 3, "do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    first, second = hf.generate(**bare, **options).scores[0], hf.generate(**given, **options).scores[0]
    assert torch.equal(first, second)


def test_means_of_heads_of_several_widths_are_refused():
    model = variant("small")
    with pytest.raises(UnsupportedMethodError, match="`reference` of a head set must be 'zero'"):
        mean_outputs(model, build_cases(model, read_items("pocket-mc2:test")[:1]))
    with pytest.raises(UsageError, match="`values` of ReplaceHeads"):
        run(model, [Row(PROMPTS[2], (ReplaceHeads(2, (1,), ("last",), torch.ones(1, 32)),))])


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ({"mask_rule": lambda _s, _h: "media"}, "media, masks"),
        ({"mask_rule": lambda _s, _h: "causal"}, "media, masks"),
        ({"decoder_inputs": lambda *_: {"per_layer_inputs": None}}, "must run"),
        ({"logit_cap": lambda _s, _h: None}, "media, masks"),
        ({"head_dims": lambda _s, _h: (16,) * 4}, "layer 1 must hand on 4 heads of width 16"),
    ],
)
def test_the_self_check_finds_a_wrong_fact(lie: dict[str, Any], message: str):
    model = tiny_model("gemma4", check=False)
    family = type("Wrong", (type(model.family),), lie)()
    with pytest.raises(UnsupportedModelError, match=message):
        from_parts(model.hf, model.tokenizer, model.processors, model.chat_template, family=family)


def test_pixels_are_limited_by_the_budgets_there_are():
    model = tiny_model("gemma4", check=False)
    processor = type(model.image_processor)(patch_size=16, max_soft_tokens=280)
    limit = model.family.limit_pixels
    assert limit(processor, None) == 280 * 48**2
    assert limit(processor, 1280 * 28 * 28, at_most_own=True) == 280 * 48**2
    assert limit(processor, 1280 * 28 * 28) == 280 * 48**2
    assert limit(processor, 500_000) == 140 * 48**2
    with pytest.raises(UsageError, match="at least 161280 for gemma4"):
        limit(processor, 1000)
