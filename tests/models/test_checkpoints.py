"""What a checkpoint lacks, or has too much of, is refused at load in one sentence that names it."""

import json
from typing import Any, cast

import pytest
import torch

from tests.models.folders import copy, edit, edit_weights, save
from trimtab.engine import Prompt, encode, generate, run
from trimtab.errors import TrimtabError, UnsupportedModelError, UsageError
from trimtab.models import load
from trimtab.testing import SMALL, picture, realistic_checkpoint, tiny_model

LAYER = "model.layers.2.self_attn.q_proj.weight"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    return save(tiny_model("qwen2_5_vl", check=False), folder / "qwen")


@pytest.fixture(scope="module")
def llava(tmp_path_factory):
    return save(tiny_model("llava", check=False), tmp_path_factory.mktemp("whole") / "llava")


@pytest.fixture
def folder(whole, tmp_path):
    return copy(whole, tmp_path / "model")


def without(*names: str):
    return lambda weights: {name: w for name, w in weights.items() if name not in names}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("lm_head.weight"), r"the checkpoint lacks lm_head\.weight"),
        (without(LAYER, LAYER.replace("q_proj", "k_proj")), r"lacks 2 tensors \(.*layers\.2\.self_attn\.k_proj"),
        (lambda w: {f"base.{k}" if "o_proj" in k else k: t for k, t in w.items()}, "lacks 4 tensors .* no place for 4"),
        (lambda w: {**w, "model.more.weight": torch.zeros(3)}, r"no place for model.*\.more\.weight"),
        (lambda w: {**w, LAYER: w[LAYER][:-5].clone()}, r"holds .*q_proj\.weight as \(59, 64\) in place of \(64, 64\)"),
        (lambda w: {**w, LAYER: w[LAYER] * float("nan")}, r"finite weights; in float32 a value of .*q_proj\.weight"),
        (lambda w: {**w, LAYER: w[LAYER].index_fill(0, torch.tensor(7), torch.inf)}, "finite weights"),
    ],
)
def test_every_tensor_has_its_place_and_is_finite(folder, change, message):
    edit_weights(folder, change)
    with pytest.raises(UnsupportedModelError, match=message):
        load(folder)


def test_a_vision_tensor_and_a_renamed_tower_are_missed_too(llava, tmp_path):
    folder = copy(llava, tmp_path / "model")
    edit_weights(folder, lambda w: {k.replace("vision_tower", "tower"): t for k, t in w.items()})
    with pytest.raises(UnsupportedModelError, match="lacks .*vision_tower"):
        load(folder)


def _cut(path):
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "config.json").unlink(), r"it has no config\.json"),
        (lambda f: (f / "config.json").write_text("{"), r"config\.json` must be a file of JSON"),
        (lambda f: (f / "config.json").write_text("[]"), "holds a list"),
        (lambda f: _cut(f / "model.safetensors"), "cannot be loaded .*SafetensorError"),
        (lambda f: (f / "model.safetensors").write_bytes(b""), "cannot be loaded .*SafetensorError"),
        (lambda f: (f / "tokenizer.json").write_text("{}"), "cannot be loaded"),
        (lambda f: [p.unlink() for p in f.glob("token*")], "`tokenizer` of .* must write and read any text"),
        (lambda f: (f / "preprocessor_config.json").unlink(), r"no preprocessor_config\.json"),
        (lambda f: (f / "preprocessor_config.json").write_text("{"), r"preprocessor_config\.json` must be"),
        (lambda f: (f / "chat_template.jinja").unlink(), "`chat_template` of .* must be given"),
        (lambda f: (f / "chat_template.jinja").write_text("{{ messages[0].content }"), "chat_template.* fails with"),
        (lambda f: (f / "chat_template.jinja").write_text("USER: hi"), "chat_template` of .* renders 'USER: hi'"),
        (
            lambda f: (f / "chat_template.jinja").write_text("{% for i in range(10**9) %}x{% endfor %}"),
            "chat_template` of .* fails with OverflowError",
        ),
        (lambda f: edit(f, "config.json", model_type=None), "names no model_type"),
        (lambda f: edit(f, "config.json", model_type="qwen2"), "'qwen2', a model of text alone"),
        (lambda f: edit(f, "config.json", image_token_id=10**6), "`image_token_id` of .* row of the 400 token"),
        (lambda f: edit(f, "config.json", image_token_id=5), "`chat_template` of .* each picture one"),
    ],
)
def test_a_broken_folder_is_refused_in_one_sentence(folder, spoil, message):
    spoil(folder)
    with pytest.raises(TrimtabError, match=message) as caught:
        load(folder)
    assert "\n" not in str(caught.value)


def add_token(folder, content, special):
    held = json.loads((folder / "tokenizer.json").read_text())
    held["added_tokens"].append({**held["added_tokens"][0], "id": 400, "content": content, "special": special})
    (folder / "tokenizer.json").write_text(json.dumps(held))


def test_a_tokenizer_beyond_the_embeddings_is_refused(folder):
    add_token(folder, "more", special=False)
    with pytest.raises(UnsupportedModelError, match="no token beyond the model's 400 embeddings; got 'more'"):
        load(folder)


def test_a_control_token_beyond_the_embeddings_that_no_prompt_has_is_no_reason_to_refuse(folder):
    """As ``<video>`` of InternVL3, which its processor replaces: in a user's text it is plain text."""
    add_token(folder, "<video>", special=True)
    model = load(folder)
    assert max(encode(model, Prompt("What is <video>?", (picture(),))).ids) < 400
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text("<video>" + template)
    with pytest.raises(UnsupportedModelError, match="no token beyond the model's 400 embeddings; got '<video>'"):
        load(folder)


def test_a_picture_position_of_several_tokens_is_refused(folder):
    held = json.loads((folder / "tokenizer.json").read_text())
    held["added_tokens"] = [t for t in held["added_tokens"] if t["content"] != "<|image_pad|>"]
    (folder / "tokenizer.json").write_text(json.dumps(held))
    with pytest.raises(UnsupportedModelError, match=r"`tokenizer` of .* '<\|image_pad\|>', as its one token"):
        load(folder)


def test_shards_that_are_gone_or_that_the_index_misplaces_are_refused(tmp_path):
    folder = save(tiny_model("llava", check=False), tmp_path / "model", max_shard_size="150KB")
    assert load(folder).report.shards > 3
    index = folder / "model.safetensors.index.json"
    held = json.loads(index.read_text())
    name, shard = next(iter(held["weight_map"].items()))
    (folder / shard).unlink()
    with pytest.raises(UsageError, match=shard):
        load(folder)
    others = {k: v for k, v in held["weight_map"].items() if v != shard}
    index.write_text(json.dumps({**held, "weight_map": {**others, name: next(iter(others.values()))}}))
    with pytest.raises(UnsupportedModelError, match="the checkpoint lacks"):
        load(folder)


def test_a_tensor_that_two_shards_hold_is_refused(tmp_path):
    folder = save(tiny_model("llava", check=False), tmp_path / "model", max_shard_size="150KB")
    held = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    name, first = next(iter(held.items()))
    other = next(shard for shard in held.values() if shard != first)
    edit_weights(folder, lambda w: {**w, name: torch.zeros(3)}, other.removesuffix(".safetensors"))
    with pytest.raises(UnsupportedModelError, match=rf"each tensor once; .* {name} is in {first} and in {other}"):
        load(folder)


def test_one_file_of_weights_beside_shards_is_refused(tmp_path):
    folder = save(tiny_model("llava", check=False), tmp_path / "model", max_shard_size="150KB")
    (folder / "model.safetensors").write_bytes(b"of an earlier training")
    with pytest.raises(UnsupportedModelError, match=r"model\.safetensors and model\.safetensors\.index\.json; which"):
        load(folder)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.int64])
def test_weights_kept_as_whole_numbers_are_refused(folder, kind):
    edit_weights(folder, lambda w: {**w, LAYER: (w[LAYER] * 100).to(kind)})
    with pytest.raises(UnsupportedModelError, match=r"hold weights as floats; .*q_proj\.weight is of type [IU]\d"):
        load(folder)


@pytest.mark.parametrize("differs", [False, True])
def test_an_unembedding_beside_tied_embeddings_is_said(tmp_path, differs):
    folder = realistic_checkpoint(tmp_path / "model", "qwen2.5-vl-3b", sizes=SMALL, shards=1)
    file = "model-00001-of-00001"
    sign = -1 if differs else 1
    edit_weights(folder, lambda w: {**w, "lm_head.weight": sign * w["model.embed_tokens.weight"].clone()}, file)
    model = load(folder, check=False)
    notes = " ".join(model.report.notes)
    assert ("tie_word_embeddings" in notes) == differs
    assert torch.equal(cast(Any, model.lm_head).weight, sign * model.embedding.weight)


def test_gguf_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "model-q4.gguf").write_bytes(b"GGUF")
    for name in (tmp_path, tmp_path / "model-q4.gguf"):
        with pytest.raises(UnsupportedModelError, match="GGUF weights, which carry no vision tower; load the model"):
            load(name)


@pytest.mark.parametrize("kind", ["evil", "qwen2_5_vl"])
def test_code_of_a_checkpoint_is_never_run(folder, kind, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked whether to run code"))
    for name in ("config", "tokenizer", "processor"):
        (folder / f"{name}.py").write_text(f"raise SystemExit('{name} code ran')")
    auto = {"AutoConfig": "config.C", "AutoTokenizer": ["tokenizer.T", "tokenizer.T"], "AutoImageProcessor": "p.P"}
    edit(folder, "config.json", auto_map=auto, model_type=kind)
    edit(folder, "tokenizer_config.json", auto_map=auto)
    edit(folder, "preprocessor_config.json", auto_map=auto)
    if kind == "evil":
        with pytest.raises(UnsupportedModelError, match="'evil', and code of its own, which trimtab never runs"):
            load(folder)
    else:
        assert load(folder).family.name == kind


@pytest.mark.parametrize(
    "name",
    [
        "Qwen2_5_VLImageProcessor",
        "Qwen2VLImageProcessorFast",
        "Qwen2VLImageProcessorPil",
        "Qwen2VLFeatureExtractor",
        None,
    ],
)
def test_published_names_of_image_processors_are_known(folder, name):
    edit(folder, "preprocessor_config.json", image_processor_type=name)
    assert type(load(folder, check=False).image_processor).__name__ == "Qwen2VLImageProcessorPil"
    edit(folder, "preprocessor_config.json", image_processor_type=None)
    assert type(load(folder, check=False).image_processor).__name__ == "Qwen2VLImageProcessorPil"


def test_an_image_processor_within_the_processor_is_found(folder):
    held = json.loads((folder / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text(json.dumps({"image_processor": held, "video_processor": {}}))
    (folder / "video_preprocessor_config.json").write_text('{"video_processor_type": "Qwen2VLVideoProcessor"}')
    assert load(folder).image_processor.size["longest_edge"] == 112 * 112


TEXT_ONLY = "{% for m in messages %}{{ 'USER: ' + m['content'] + ' ASSISTANT:' }}{% endfor %}"


@pytest.mark.parametrize("file", ["chat_template.json", "processor_config.json", "chat_template.jinja"])
def test_a_template_of_text_alone_does_not_beat_one_that_takes_pictures(llava, tmp_path, file):
    folder = copy(llava, tmp_path / "model")
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    edit(folder, "tokenizer_config.json", chat_template=TEXT_ONLY)
    (folder / file).write_text(template if file.endswith("jinja") else json.dumps({"chat_template": template}))
    model = load(folder)
    assert model.chat_template == template
    assert len(generate(model, [Prompt("What is it?", (picture(),))], max_new_tokens=2).texts) == 1


def test_the_tokenizers_template_is_used_where_the_processors_takes_no_picture(folder):
    template = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    (folder / "chat_template.json").write_text(json.dumps({"chat_template": TEXT_ONLY}))
    edit(folder, "tokenizer_config.json", chat_template=[{"name": "default", "template": template}])
    assert load(folder).chat_template == template


def test_decoding_settings_do_not_break_loading_and_are_reported(folder):
    edit(folder, "generation_config.json", do_sample=True, temperature=1e-6, repetition_penalty=1.05)
    assert load(folder).report.overridden == {"do_sample": True, "repetition_penalty": 1.05, "temperature": 1e-6}
    stop = load(folder).stop_tokens
    (folder / "generation_config.json").write_text("{")
    model = load(folder)
    assert "generation_config.json is broken and was left out" in model.report.notes[0]
    assert model.stop_tokens == stop
    (folder / "generation_config.json").unlink()
    assert load(folder).stop_tokens == stop


def test_a_checkpoint_without_a_pad_token_runs(folder):
    edit(folder, "tokenizer_config.json", pad_token=None)
    edit(folder, "config.json", pad_token_id=None)
    model = load(folder)
    prompts = [Prompt("What is it?", (picture(),)), Prompt("Who?", (picture(),), "a dog on the sofa")]
    assert torch.isfinite(run(model, prompts).logits).all()


def test_types_are_chosen_by_a_rule_and_reported(folder, llava, tmp_path):
    half = copy(llava, tmp_path / "half")
    edit_weights(half, lambda w: {k: t.half() for k, t in w.items()})
    for stated in ({"dtype": "float16"}, {"dtype": None}):
        edit(half, "config.json", **stated)
        text = json.loads((half / "config.json").read_text())["text_config"]
        vision = json.loads((half / "config.json").read_text())["vision_config"]
        edit(half, "config.json", text_config={**text, **stated}, vision_config={**vision, **stated})
        report = load(half, device="cpu", check=False).report
        assert (report.dtype_stored, report.dtype) == ("float16", "bfloat16")
        assert "many times as fast" in report.why_dtype
    assert load(half, device="cpu", dtype="float16").dtype == torch.float16
    assert load(folder, device="cpu").report.why_dtype == ""


def test_float16_that_overflows_is_noticed_with_the_type_as_remedy(folder):
    edit_weights(folder, lambda w: {**w, LAYER: w[LAYER] * 1e6})
    assert load(folder).dtype == torch.float32
    with pytest.raises(UnsupportedModelError, match="in float16 a value of .* load it with dtype='bfloat16'"):
        load(folder, dtype="float16")
    edit_weights(folder, lambda w: {**w, LAYER: w[LAYER] / 1e6, "lm_head.weight": w["lm_head.weight"] * 1e5})
    with pytest.raises(UnsupportedModelError, match=r"finite logits; in float16 .*dtype='bfloat16' or 'float32'"):
        load(folder, dtype="float16")


def test_pictures_have_a_limit_of_pixels(folder):
    edit(folder, "preprocessor_config.json", size={"shortest_edge": 3136, "longest_edge": 12845056})
    assert (load(folder).report.max_pixels, load(folder).report.photo_tokens) == (1003520, 1230)
    assert load(folder, max_pixels=None, check=False).report.photo_tokens == 15552
    small = load(folder, max_pixels=2000)
    assert (small.report.max_pixels, small.report.photo_tokens) == (2000, 1)
    assert small.show("image", picture(0, (640, 480))).n_tokens == 1
    with pytest.raises(UsageError, match="`max_pixels` of load must be at least 784 for qwen2_5_vl.*got 100"):
        load(folder, max_pixels=100)
    for wrong in (0, -1, True, 1.5, "1"):
        with pytest.raises(UsageError, match="`max_pixels` of load must be a whole number"):
            load(folder, max_pixels=cast(Any, wrong))


def test_the_checkpoints_own_lower_limit_stays_unless_told_otherwise(folder, llava):
    assert load(folder, check=False).report.max_pixels == 112 * 112
    assert load(folder, check=False, max_pixels=50_000).report.max_pixels == 50_000
    assert load(llava, check=False).report.max_pixels is None
    assert load(llava, check=False).report.photo_tokens == 16


def test_weights_on_a_disk_are_proved_like_others(folder):
    plain = load(folder)
    model = load(folder, device_map={"": "disk"})
    prompt = Prompt("What is it?", (picture(),), "a dog")
    assert model.fingerprint == plain.fingerprint
    assert model.device == torch.device("cpu")
    torch.testing.assert_close(run(model, [prompt]).logits, run(plain, [prompt]).logits)
    edit_weights(folder, lambda w: {**w, LAYER: w[LAYER] * float("nan")})
    with pytest.raises(UnsupportedModelError, match="finite weights"):
        load(folder, device_map={"": "disk"})
