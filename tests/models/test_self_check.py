"""The self-check catches what no key of a checkpoint shows: windows, towers, parts that do not fit together."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from tests.models.folders import edit, save
from trimtab.engine import Prompt, run
from trimtab.errors import UnsupportedMethodError, UnsupportedModelError
from trimtab.models import from_parts, load
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
@pytest.mark.parametrize("window", [16, 4095])
def test_a_window_is_found_however_long_and_whatever_names_it(window, attention):
    message = rf"layer 0 sees {window} of 4096 tokens \(a sliding window\).* set `sliding_window` to null"
    with pytest.raises(UnsupportedModelError, match=message):
        llava(attention, text_config=mistral(window))


@pytest.mark.parametrize("window", [None, 4096])
def test_a_window_that_cuts_nothing_is_none(window):
    assert llava(text_config=mistral(window)).n_layers == 4


def test_windows_of_qwen_are_found(tmp_path):
    folder = save(tiny_model("qwen2_5_vl", check=False), tmp_path / "model")
    text = json.loads((folder / "config.json").read_text())["text_config"]
    text = {**text, "use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2, "layer_types": None}
    edit(folder, "config.json", text_config=text)
    with pytest.raises(UnsupportedModelError, match="its layers are of types full_attention, sliding_attention"):
        load(folder)


def test_a_tower_that_mixes_pictures_encoded_together_is_refused():
    pixtral = {**{k: v for k, v in SIGLIP.items() if k != "model_type"}, "model_type": "pixtral"}
    with pytest.raises(UnsupportedModelError, match="self-check of family llava: .*pictures"):
        llava(vision_config=pixtral, vision_feature_select_strategy="full", vision_feature_layer=-1)


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
