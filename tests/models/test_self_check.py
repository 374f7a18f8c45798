"""The self-check catches what no key of a checkpoint shows: windows, towers, parts that do not fit together."""

import json
import re
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE

from tests.models.folders import edit, save
from trimtab.contribution import MCS, measure
from trimtab.engine import AddVector, BlockAttention, Prompt, Read, Row, generate, run
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.items import read_items
from trimtab.models import FAMILIES, Model, from_parts, load
from trimtab.models.proofs import PADDING
from trimtab.models.self_checks import self_check
from trimtab.testing import picture, tiny_model

TEXT = ("hidden_size", "intermediate_size", "num_attention_heads", "num_key_value_heads", "num_hidden_layers")
TEXT = (*TEXT, "vocab_size", "eos_token_id", "pad_token_id", "max_position_embeddings", "initializer_range")


def llava(attention: str = "sdpa", **changes: Any):
    """A LLaVA with another configuration, handed over as a user who built it would."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration

    tiny: Any = tiny_model("llava", check=False)
    config = {**tiny.hf.config.to_dict(), **changes}
    hf: Any = LlavaForConditionalGeneration._from_config(LlavaConfig.from_dict(config), attn_implementation=attention)
    return from_parts(hf, tiny.tokenizer, tiny.image_processor, tiny.chat_template)


def mistral(window: int | None) -> dict[str, Any]:
    kept = tiny_model("llava", check=False).text_config.to_dict()
    return {**{name: kept[name] for name in TEXT}, "model_type": "mistral", "sliding_window": window}


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_a_window_is_kept_to_whatever_is_shared_and_padded(attention):
    model = llava(attention, text_config=mistral(16))
    assert model.windows == (16,) * 4
    same(model)
    [skipped] = measure(model, read_items("pocket-mc2:test")[:1], method=MCS()).skipped
    assert re.search(r"layer 0 sees 16 of \d+ tokens \(a sliding window\)", skipped.reason)


def test_a_family_that_does_not_know_of_a_window_is_refused(monkeypatch):
    monkeypatch.setattr(type(FAMILIES["llava"]), "windows", lambda _self, _hf: (None,) * 4)
    with pytest.raises(UnsupportedModelError, match="attend in layer 0 to 4096 of 4096 tokens.* it sees 16;"):
        llava(text_config=mistral(16))


@pytest.mark.parametrize("window", [None, 4096])
def test_a_window_that_cuts_nothing_is_none(window):
    assert llava(text_config=mistral(window)).windows == (None,) * 4


def test_windows_of_some_layers_are_kept_to(tmp_path):
    folder = save(tiny_model("qwen2_5_vl", check=False), tmp_path / "model")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    text = {**text, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2, "layer_types": None}
    edit(folder, "config.json", text_config=text)
    model = load(folder)
    assert model.windows == (None, None, 16, 16)
    same(model)


def same(model: Model) -> None:
    """The fast path does what the model itself does, on prompts several times as long as its windows."""
    vector = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    context = "Two cats play with a ball in the garden, and a dog sleeps."
    prompts = [Prompt(question, picture(1), context) for question in ("What is it?", "Who is happy?", "Who sleeps?")]
    asked = [Row(p) for p in prompts] + [Row(prompts[0], (AddVector(layer, vector),)) for layer in range(4)]
    asked += [Row(prompts[1], (BlockAttention(("question",), ("last", "generated"), layers=(2, 3)),))]
    fast, plain = run(model, asked, Read(hidden=(2, 3))), run(model, asked, Read(hidden=(2, 3)), reuse=False)
    assert fast.cost.tokens < plain.cost.tokens
    torch.testing.assert_close(fast.logits, plain.logits, atol=2e-5, rtol=1e-5)
    torch.testing.assert_close(fast.hidden[3], plain.hidden[3], atol=2e-5, rtol=1e-5)
    answers = [generate(model, asked, max_new_tokens=24, reuse=reuse).tokens for reuse in (True, False)]
    assert answers[0] == answers[1]


def test_a_tower_that_mixes_pictures_encoded_together_is_refused(monkeypatch):
    def mixed(self: Any, hf: Any, media: Any) -> list[torch.Tensor]:
        found = encode(self, hf, media)
        return [features + torch.stack(found).mean(0) for features in found]

    family = type(FAMILIES["llava"])
    encode = family.embed_media
    monkeypatch.setattr(family, "embed_media", mixed)
    with pytest.raises(UnsupportedModelError, match="self-check of family llava: a picture encoded beside another"):
        llava()


def test_a_tower_that_keeps_pictures_apart_by_its_mask_is_taken():
    pixtral = {**{k: v for k, v in SIGLIP.items() if k != "model_type"}, "model_type": "pixtral"}
    model = llava(vision_config=pixtral, vision_feature_select_strategy="full", vision_feature_layer=-1)
    shown = [model.show("image", picture(seed)) for seed in (1, 2)]
    together, alone = model.embed_media(shown), [model.family.embed_media(model.hf, [one])[0] for one in shown]
    for a, b in zip(together, alone, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("family", ["qwen2_5_vl", "llava"])
def test_an_image_processor_that_takes_no_picture_is_the_models_fault(family, tmp_path):
    folder = save(tiny_model(family, check=False), tmp_path / "model")
    edit(folder, "preprocessor_config.json", image_mean=[0.5, 0.5])
    with pytest.raises(UnsupportedModelError, match="mean must have 3 elements"):
        load(folder)


SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "image_size": 56,
    "patch_size": 14,
}


@pytest.mark.parametrize(("strategy", "positions"), [("full", 16), ("default", 15)])
def test_a_tower_without_a_class_token_takes_a_position_for_each_feature(strategy, positions):
    model = llava(vision_config=SIGLIP, vision_feature_select_strategy=strategy, vision_feature_layer=-1)
    assert model.report.photo_tokens == positions
    with pytest.raises(UnsupportedMethodError, match="no class token to read it at"):
        run(model, [Prompt("What is it?", (picture(),)).with_image_counterfactual("shuffle")])


@pytest.mark.parametrize(
    ("family", "changes", "message"),
    [
        ("llava", {"crop_size": {"height": 84, "width": 84}}, r"84\*84.* model \(56\*56\)"),
        ("llava", {"image_processor_type": "Qwen2VLImageProcessor"}, "`image_processor` of .* such as CLIP"),
        ("qwen2_5_vl", {"image_processor_type": "CLIPImageProcessor"}, "`image_processor` of .* such as Qwen2VL"),
        ("qwen2_5_vl", {"patch_size": 16}, "a picture of 84 x 56 pixels and two sentences must run"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(tmp_path, family, changes, message):
    folder = save(tiny_model(family, check=False), tmp_path / "model")
    edit(folder, "preprocessor_config.json", **changes)
    with pytest.raises(UnsupportedModelError, match=message):
        load(folder)


def test_parts_that_were_handed_over_are_tried_too():
    tiny: Any = tiny_model("llava", check=False)
    empty = type(tiny.tokenizer)(tokenizer_object=Tokenizer(BPE()))
    with pytest.raises(UnsupportedModelError, match="`tokenizer` of model must write and read any text"):
        from_parts(tiny.hf, empty, tiny.image_processor, tiny.chat_template)
    with pytest.raises(UnsupportedModelError, match="`chat_template` of model must keep the text"):
        from_parts(tiny.hf, tiny.tokenizer, tiny.image_processor, "{{ messages[0].content[1].text }}")
    with pytest.raises(UnsupportedModelError, match="must be a fast tokenizer"):
        from_parts(tiny.hf, object(), tiny.image_processor, tiny.chat_template)
    with pytest.raises(UnsupportedModelError, match="`image_processor` of model"):
        from_parts(tiny.hf, tiny.tokenizer, None, tiny.chat_template)


@pytest.mark.parametrize(("family", "seed"), [("qwen3_vl_moe", 15), ("qwen3_5_moe", 1), ("qwen3_5_moe", 15)])
def test_a_token_that_another_rounding_sends_to_another_expert_is_no_reason_to_refuse(family: str, seed: int):
    """These random weights have a token between two experts, which a pass from a cache decides otherwise."""
    model = tiny_model(family, seed=seed, check=False)
    model.hf.to(torch.bfloat16)
    self_check(model)


@pytest.mark.parametrize("longest", [99, 1 + PADDING], ids=["any", "of one token"])
def test_experts_do_not_hide_a_cache_that_is_not_seen(longest: int, monkeypatch):
    model = tiny_model("qwen3_vl_moe", check=False)
    model.hf.to(torch.bfloat16)
    whole = type(model).decode

    def blind(self: Model, embeds: torch.Tensor, mask: torch.Tensor, *rest: Any, **more: Any) -> torch.Tensor:
        own = embeds.shape[1]
        if own <= longest:
            mask = torch.cat([torch.zeros_like(mask[:, :-own]), mask[:, -own:]], dim=1)
        return whole(self, embeds, mask, *rest, **more)

    monkeypatch.setattr(type(model), "decode", blind)
    with pytest.raises(UnsupportedModelError, match="continued from its cache"):
        self_check(model)
