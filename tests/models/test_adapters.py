"""Adapters: every tensor placed, merging proved, and the model they belong to found wherever the folders are."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.models.folders import copy, edit, edit_weights, save
from trimtab.engine import Prompt, encode, run
from trimtab.errors import TrimtabError, UnsupportedModelError, UsageError
from trimtab.models import adapters, from_parts, load
from trimtab.models.source import Source
from trimtab.testing import picture, tiny_model

peft: Any = pytest.importorskip("peft")
PROMPT = Prompt("What is it?", (picture(),), "a dog")
QV = ["q_proj", "v_proj"]


def tied(folder: Path) -> Path:
    """A model whose unembedding is its embedding."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    tiny: Any = tiny_model("qwen2_5_vl", check=False)
    config = tiny.hf.config.to_dict()
    config["tie_word_embeddings"] = config["text_config"]["tie_word_embeddings"] = True
    torch.manual_seed(0)
    hf = Qwen2_5_VLForConditionalGeneration(Qwen2_5_VLConfig.from_dict(config))
    return save(from_parts(hf, tiny.tokenizer, tiny.image_processor, tiny.chat_template, check=False), folder)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bases")
    plain = save(tiny_model("qwen2_5_vl", check=False), folder / "plain")
    return {"plain": plain, "tied": tied(folder / "tied")}


def train(base: Path, folder: Path, mutate=lambda hf: None, **config: Any) -> Any:
    """Write adapters with weights that matter, as peft saves them; returns the model with them beside its weights."""
    from transformers import AutoModelForImageTextToText

    torch.manual_seed(1)
    hf: Any = AutoModelForImageTextToText.from_pretrained(base, attn_implementation="sdpa")
    mutate(hf)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adapted = peft.get_peft_model(hf, peft.LoraConfig(r=4, lora_alpha=8, init_lora_weights=False, **config))
        for name, parameter in adapted.named_parameters():
            if "modules_to_save" in name:
                parameter.data += 0.05 * torch.randn_like(parameter)
        adapted.save_pretrained(folder)
    return adapted.eval()


@pytest.fixture(scope="module")
def trained(bases, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapters") / "plain"
    train(bases["plain"], folder, target_modules=QV)
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    return copy(trained, tmp_path / "adapters")


def logits(model: Any, reference: Any) -> torch.Tensor:
    encoded = encode(model, PROMPT)
    with torch.no_grad():
        inputs = model.family.native_inputs(model.hf, encoded.ids, encoded.media)
        return reference(**inputs, use_cache=False).logits[:, -1]


@pytest.mark.parametrize(
    ("base", "config"),
    [
        ("plain", {"target_modules": QV}),
        ("plain", {"target_modules": "all-linear"}),  # the vision tower too
        ("plain", {"target_modules": QV, "use_dora": True, "use_rslora": True}),
        ("plain", {"target_modules": QV, "modules_to_save": ["lm_head", "embed_tokens"]}),
        ("tied", {"target_modules": ["lm_head", "q_proj"]}),
        ("tied", {"target_modules": ["embed_tokens", "q_proj"]}),
        ("tied", {"target_modules": r".*\.(embed_tokens|q_proj)"}),
        ("tied", {"target_modules": QV, "modules_to_save": ["lm_head"]}),
    ],
)
def test_merged_adapters_answer_as_beside_the_weights(bases, tmp_path, base, config):
    reference = train(bases[base], tmp_path / "adapters", **config)
    model = load(tmp_path / "adapters")
    expected = logits(model, reference)
    difference = (run(model, [PROMPT]).logits - expected).abs().max() / expected.abs().max()
    assert float(difference) < 1e-4
    assert model.report.adapters == (str((tmp_path / "adapters").resolve()),)
    assert load(tmp_path / "adapters", dtype="bfloat16").fingerprint != load(bases[base], check=False).fingerprint
    assert model.fingerprint != load(bases[base], check=False).fingerprint


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: {k.replace("language_model", "text_model"): t for k, t in w.items()}, "lacks 16 .* no place for 16"),
        (lambda w: {k: t for k, t in w.items() if "layers.0" in k or "layers.1" in k}, "adapters lacks 8 tensors"),
        (lambda w: {**w, "base_model.model.zzz.lora_A.weight": torch.zeros(4, 4)}, "no place for .*zzz"),
        (lambda w: {k: t[:2] if "lora_A" in k else t for k, t in w.items()}, "size mismatch"),
        (lambda w: {k: t * float("nan") for k, t in w.items()}, "(?i)nan"),
        (lambda w: {k: (t * 100).to(torch.int8) for k, t in w.items()}, "hold weights as floats; .* of type I8"),
    ],
)
def test_adapters_that_are_not_whole_are_refused(folder, change, message):
    edit_weights(folder, lambda w: {k: t.contiguous() for k, t in change(w).items()}, "adapter_model")
    with pytest.raises(TrimtabError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "adapter_config.json").write_text("{"), r"adapter_config\.json` must be a file of JSON"),
        (lambda f: (f / "adapter_config.json").write_text("[]"), "holds a list"),
        (lambda f: edit(f, "adapter_config.json", base_model_name_or_path=5), "it is 5"),
        (lambda f: edit(f, "adapter_config.json", base_model_name_or_path=str(f)), "leads back to"),
        (
            lambda f: edit(f, "adapter_config.json", base_model_name_or_path="moved/away"),
            "where the .* model is now",
        ),
        (lambda f: edit(f, "adapter_config.json", base_model_name_or_path="pocket-llava"), "size mismatch|lacks"),
        (lambda f: edit(f, "adapter_config.json", peft_type="IA3"), "it is IA3"),
        (lambda f: edit(f, "adapter_config.json", peft_type="NONESUCH"), "cannot be put on the model"),
        (lambda f: edit(f, "adapter_config.json", target_modules=["nowhere"]), "cannot be put on the model"),
        (
            lambda f: edit(f, "adapter_config.json", use_new=True, fine=3, off={}),
            "has options .*use_new.* version of peft",
        ),
        (lambda f: (f / "adapter_model.safetensors").unlink(), r"has none of adapter_model\.safetensors"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"junk"), "SafetensorError"),
    ],
)
def test_a_broken_folder_of_adapters_is_refused_in_one_sentence(folder, spoil, message):
    spoil(folder)
    with pytest.raises(TrimtabError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def test_adapters_of_a_larger_vocabulary_are_refused(bases, tmp_path):
    config = {"target_modules": QV, "modules_to_save": ["lm_head", "embed_tokens"]}
    train(bases["plain"], tmp_path / "a", lambda hf: hf.resize_token_embeddings(408, mean_resizing=False), **config)
    with pytest.raises(UsageError, match=r"size mismatch for .*the model it was trained on"):
        load(tmp_path / "a")


def test_a_cycle_of_adapters_is_refused_and_a_chain_is_merged(trained, tmp_path):
    first, second = copy(trained, tmp_path / "first"), copy(trained, tmp_path / "second")
    edit(second, "adapter_config.json", base_model_name_or_path="../first")
    model = load(second)
    assert model.report.adapters == (str(first), str(second))
    assert model.fingerprint != load(first, check=False).fingerprint
    edit(first, "adapter_config.json", base_model_name_or_path="../second")
    with pytest.raises(UnsupportedModelError, match="leads back to"):
        load(second)


def test_a_relative_base_is_found_beside_the_adapters(trained, bases, tmp_path, monkeypatch):
    save_at = copy(trained, tmp_path / "project" / "adapters")
    shutil.copytree(bases["plain"], tmp_path / "project" / "base")
    monkeypatch.chdir("/")
    for name in ("../base", "base", "./base"):
        edit(save_at, "adapter_config.json", base_model_name_or_path=name)
        assert load(save_at, check=False).report.adapters == (str(save_at),)
    (tmp_path / "project").rename(tmp_path / "moved")
    assert load(tmp_path / "moved" / "adapters", check=False).n_layers == 4


def test_the_revision_that_adapters_were_trained_on_is_asked_for(trained, tmp_path, monkeypatch):
    folder = copy(trained, tmp_path / "adapters")
    edit(folder, "adapter_config.json", base_model_name_or_path="owner/model", revision="v2")
    asked = {}

    def find(name, **options):
        asked.update(options, name=name)
        return Source("owner/model", bundled=False, local=False, options={})

    monkeypatch.setattr(adapters, "find", find)
    monkeypatch.setattr(
        adapters, "_config", lambda source: source.file("adapter_config.json") if source.local else None
    )
    adapters.resolve(Source(str(folder), bundled=False, local=True, options={}))
    assert asked["name"] == "owner/model"
    assert asked["revision"] == "v2"


def test_weights_on_a_disk_take_no_adapters(folder):
    with pytest.raises(UsageError, match="`device_map` of load must keep all weights in memory to merge adapters"):
        load(folder, device_map={"": "disk"})


def test_adapters_saved_by_hardening_name_a_folder_from_anywhere(bases, tmp_path, monkeypatch):
    from trimtab.interference.hardening.config import HardenConfig
    from trimtab.interference.hardening.weights import trainable

    monkeypatch.chdir(bases["plain"].parent)
    model = load("plain")
    with trainable(model, HardenConfig()) as weights:
        weights.save(tmp_path / "adapters")
    monkeypatch.chdir("/")
    assert json.loads((tmp_path / "adapters" / "adapter_config.json").read_text())["base_model_name_or_path"] == str(
        bases["plain"]
    )
    assert load(tmp_path / "adapters").n_layers == 4
