"""PaliGemma: both decoders, whole prompts as its own processor writes them, and its silent traps."""

from __future__ import annotations

import copy
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch

from tests.engine import test_contract
from trimtab.engine import AddVector, BoostAttention, Prompt, Row, encode, generate, run
from trimtab.errors import UnsupportedModelError
from trimtab.models import FAMILIES, Model, from_parts
from trimtab.testing import picture, tiny_model
from trimtab.testing.tiny.parts import text_config

PROMPTS = [
    Prompt("What is it?", (picture(1, (56, 84)), picture(2)), "Two cats play."),
    Prompt("Who is happy?", picture(2, (30, 30))),
    Prompt("What is it?", (), "Two cats play with a ball in the garden."),
]


@cache
def first_version() -> Model:
    """A PaliGemma 1, whose decoder has neither windows nor caps."""
    from transformers import PaliGemmaConfig, PaliGemmaForConditionalGeneration

    second = tiny_model("paligemma", check=False)
    config: Any = second.hf.config
    tokenizer = second.tokenizer
    text = text_config(tokenizer, 3, model_type="gemma", head_dim=16, num_key_value_heads=1)
    torch.manual_seed(1)
    made = PaliGemmaConfig(
        text_config=text,
        vision_config=config.vision_config.to_dict(),
        projection_dim=64,
        hidden_size=64,
        image_token_index=config.image_token_id,
    )
    hf = PaliGemmaForConditionalGeneration(made)
    return from_parts(hf, tokenizer, second.image_processor, name="paligemma-1")


def test_the_first_version_runs_as_its_own_forward_and_generate():
    model = first_version()
    assert model.windows == (None,) * 3
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    rows = [Row(p) for p in PROMPTS] + [Row(p, (AddVector(1, vector, 2.0, "last_prompt"),)) for p in PROMPTS]
    test_contract.assert_same(run(model, rows).logits, run(model, rows, reuse=False).logits)
    answers = [generate(model, rows, max_new_tokens=5, reuse=reuse).tokens for reuse in (True, False)]
    assert answers[0] == answers[1]
    test_contract.test_eager_equals_sdpa(model)


def test_whole_prompts_are_those_of_its_own_processor():
    from transformers import PaliGemmaProcessor

    model = tiny_model("paligemma", check=False)
    own = PaliGemmaProcessor(model.image_processor, copy.deepcopy(model.tokenizer))
    for prompt in PROMPTS[:2]:
        encoded = encode(model, prompt)
        pictures = list(prompt.media["image"])
        given: Any = own(images=pictures, text="<image>" * len(pictures) + prompt.body()[0])
        assert given["input_ids"][0] == encoded.ids.tolist()
        native = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
        assert given["token_type_ids"] == native["token_type_ids"].tolist()
        assert np.array_equal(np.stack(given["pixel_values"]), native["pixel_values"].numpy())


@pytest.mark.parametrize("made", [first_version, lambda: tiny_model("paligemma", check=False)])
def test_prompts_see_all_of_themselves_even_if_token_types_are_left_out(made):
    model = made()
    encoded = encode(model, PROMPTS[0])
    given = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
    bare = {name: tensor for name, tensor in given.items() if name != "token_type_ids"}
    hf: Any = model.hf
    causal = {**given, "token_type_ids": torch.ones_like(given["token_type_ids"])}
    assert torch.equal(hf(**bare).logits, hf(**given).logits)
    assert not torch.allclose(hf(**bare).logits, hf(**causal).logits, atol=1e-2)
    options = {"max_new_tokens": 4, "do_sample": False, "output_scores": True, "return_dict_in_generate": True}
    expected = hf.generate(**given, **options)
    for use_cache in (True, False):
        found = hf.generate(**bare, **options, use_cache=use_cache)
        assert torch.equal(found.sequences, expected.sequences)
        torch.testing.assert_close(torch.cat(found.scores), torch.cat(expected.scores))
    labels = given["input_ids"].clone()
    labels[:, :-2] = -100
    types = (labels != -100).long()
    expected = hf(**{**given, "token_type_ids": types}, labels=labels)
    assert torch.equal(hf(**bare, labels=labels).logits, expected.logits)


def test_scores_are_capped_where_they_are_edited_too():
    """Attention of our own, with an edit that changes next to nothing, is the decoder's own."""
    model = tiny_model("paligemma", check=False)
    plain = run(model, PROMPTS).logits
    rows = [Row(p, (BoostAttention(("question",), ("last",), (1,), 1e-6),)) for p in PROMPTS]
    torch.testing.assert_close(run(model, rows).logits, plain, atol=1e-4, rtol=1e-4)
    assert plain.abs().max() < model.family.logit_cap(model.hf)


def test_a_cap_that_is_not_stated_is_found(monkeypatch):
    monkeypatch.setattr(type(FAMILIES["paligemma"]), "logit_cap", lambda _self, _hf: None)
    with pytest.raises(UnsupportedModelError, match="media, masks and rotary positions"):
        tiny_model("paligemma")
