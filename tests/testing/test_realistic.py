"""Folders as released ones are: what is in them, and that they load whatever their type."""

import json

import pytest
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoTokenizer

import trimtab
from trimtab.errors import UsageError
from trimtab.media import Clip
from trimtab.testing import RELEASES, SMALL, picture, realistic_checkpoint

FIRST_NAMES = {
    "qwen2_5_vl": ("model.embed_tokens.weight", "visual.blocks.0.attn.qkv.weight", "model.norm.weight"),
    "llava": (
        "language_model.model.embed_tokens.weight",
        "language_model.lm_head.weight",
        "vision_tower.vision_model.encoder.layers.0.self_attn.k_proj.weight",
        "multi_modal_projector.linear_1.weight",
    ),
    "qwen3_5": ("model.language_model.layers.0.linear_attn.A_log", "model.visual.merger.norm.weight", "lm_head.weight"),
    "llava_next": ("image_newline", "language_model.model.norm.weight", "language_model.lm_head.weight"),
    "llava_onevision": ("image_newline", "language_model.model.norm.weight", "multi_modal_projector.linear_2.bias"),
    "qwen2_audio": (
        "language_model.model.embed_tokens.weight",
        "language_model.lm_head.weight",
        "audio_tower.layers.0.self_attn.k_proj.weight",
        "multi_modal_projector.linear.weight",
    ),
    "qwen2_5_omni": ("thinker.model.norm.weight", "thinker.lm_head.weight", "thinker.audio_tower.conv1.bias"),
    "voxtral": ("language_model.model.norm.weight", "audio_tower.conv1.bias", "multi_modal_projector.linear_2.weight"),
}
HERE = [release for release, made in RELEASES.items() if made.family.name in FIRST_NAMES]
"""Releases that are tested here; others are in files beside this one."""
QUESTION = "What color is the cat?"


@pytest.mark.parametrize("dtype", ["bfloat16", "float32", "float16"])
@pytest.mark.parametrize("release", ["qwen2.5-vl-7b", "qwen2.5-vl-3b", "llava-1.5-7b"])
def test_it_loads_with_sane_logits(released, release, dtype):
    model = trimtab.load(released(release), dtype=dtype)
    assert model.dtype == getattr(torch, dtype)
    prompt = trimtab.Prompt(QUESTION, images=(picture(size=(90, 60)),), context="The cat is red.")
    logits = trimtab.run(model, [prompt]).logits
    assert torch.isfinite(logits).all()
    assert 0.5 < float(logits.std()) < 2
    answers = trimtab.generate(model, [prompt], max_new_tokens=4)
    assert answers.tokens[0]


def test_a_release_whose_template_takes_clips_is_shown_them(released):
    model = trimtab.load(released("qwen2.5-vl-3b"), dtype="float32")
    assert model.modalities == ("image", "text", "video")
    assert not model.report.notes
    frames = [picture(number, (640, 480)) for number in range(5)]
    shown = model.show("video", Clip(frames))
    assert shown.grid == (3, 17, 23)  # each frame as a picture of its size, two of them a step
    prompt = trimtab.Prompt(QUESTION, media={"video": [Clip(frames[:2], 1.0)]})
    logits = trimtab.run(model, [prompt]).logits
    torch.testing.assert_close(logits, trimtab.run(model, [prompt], reuse=False).logits, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("release", HERE)
def test_every_tensor_arrives_under_its_published_name(released, release):
    """What the files hold is what the loaded model holds, renamed; a name that is lost would leave random weights."""
    folder, family = released(release), RELEASES[release].family.name
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    names = index["weight_map"]
    assert len(set(names.values())) == 2
    assert set(FIRST_NAMES[family]) <= set(names)
    assert ("lm_head.weight" in names) == (release in ("qwen2.5-vl-7b", "qwen3.5-9b"))
    held = {}
    for shard in sorted(set(names.values())):
        with safe_open(folder / shard, "pt") as file:
            assert sorted(file.keys()) == sorted(n for n, s in names.items() if s == shard)
            held |= {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert sum(t.numel() * t.element_size() for t in held.values()) == index["metadata"]["total_size"]
    published = [tensor for name, tensor in held.items() if name not in RELEASES[release].family.beside]
    loaded = dict(trimtab.load(folder, dtype=RELEASES[release].dtype, check=False).hf.named_parameters()).values()
    assert sorted(_digest(t) for t in published) == sorted(_digest(t) for t in loaded)


def _digest(tensor: torch.Tensor) -> tuple:
    return tuple(tensor.shape), float(tensor.double().sum()), float(tensor.double().square().sum())


@pytest.mark.parametrize("release", HERE)
def test_sizes_are_those_released_unless_changed(tmp_path, release, monkeypatch):
    import trimtab.testing.realistic.checkpoint as module

    monkeypatch.setattr(module, "write_weights", lambda *_: None)
    folder = realistic_checkpoint(tmp_path, release)
    text = AutoConfig.from_pretrained(folder).get_text_config()
    widths = (text.hidden_size, text.intermediate_size, text.num_attention_heads, text.num_key_value_heads)
    assert (
        widths
        == {
            "qwen2.5-vl-7b": (3584, 18944, 28, 4),
            "qwen2.5-vl-3b": (2048, 11008, 16, 2),
            "llava-1.5-7b": (4096, 11008, 32, 32),
            "llava-v1.6-vicuna-7b": (4096, 11008, 32, 32),
            "llava-v1.6-mistral-7b": (4096, 14336, 32, 8),
            "llava-onevision-qwen2-0.5b": (896, 4864, 14, 2),
            "llava-onevision-qwen2-7b": (3584, 18944, 28, 4),
            "qwen2-audio-7b": (4096, 11008, 32, 32),
            "voxtral-mini-3b": (3072, 8192, 32, 8),
            "qwen2.5-omni-7b": (3584, 18944, 28, 4),
            "qwen3.5-9b": (4096, 12288, 16, 4),
        }[release]
    )
    sizes = RELEASES[release].sizes
    assert (text.num_hidden_layers, text.vocab_size) == (sizes.layers, sizes.vocabulary)
    bases = {"qwen2.5": 1e6, "qwen3.5": 1e7, "voxtral": 1e8, "llava-v1.6-mistral": 1e6, "llava-onevision": 1e6}
    base = next((base for begins, base in bases.items() if release.startswith(begins)), 1e4)
    assert text.rope_parameters["rope_theta"] == base


@pytest.mark.parametrize(
    ("release", "special"),
    [
        ("qwen2.5-vl-7b", {"<|endoftext|>": 151643, "<|im_end|>": 151645, "<|image_pad|>": 151655}),
        ("qwen2.5-vl-3b", {"<|im_start|>": 151644, "<|video_pad|>": 151656, "<tool_call>": 151657}),
        ("llava-1.5-7b", {"<s>": 1, "</s>": 2, "<image>": 32000, "<pad>": 32001}),
        ("llava-v1.6-mistral-7b", {"<s>": 1, "</s>": 2, "<image>": 32000, "<pad>": 32001}),
        ("llava-onevision-qwen2-7b", {"<|im_start|>": 151644, "<image>": 151646, "<video>": 151647}),
        ("qwen2.5-omni-7b", {"<|AUDIO|>": 151646, "<|vision_bos|>": 151652, "<|IMAGE|>": 151655}),
        ("voxtral-mini-3b", {"<s>": 1, "</s>": 2, "[INST]": 3, "<pad>": 11, "[AUDIO]": 24, "[BEGIN_AUDIO]": 25}),
        ("qwen2-audio-7b", {"<|endoftext|>": 151643, "<|AUDIO|>": 151646, "<|audio_eos|>": 151648}),
    ],
)
def test_the_tokenizer_has_released_ids_and_writes_any_text(tmp_path, release, special, monkeypatch):
    import trimtab.testing.realistic.checkpoint as module

    monkeypatch.setattr(module, "write_weights", lambda *_: None)
    tokenizer = AutoTokenizer.from_pretrained(realistic_checkpoint(tmp_path, release))
    assert tokenizer.is_fast
    assert {token: tokenizer.convert_tokens_to_ids(token) for token in special} == special
    assert len(tokenizer) == max(special.values()) + 1 or release != "llava-1.5-7b"
    text = "The cats don't sleep in 2024: naïve café, 你好 🙂\n\nA new line."
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(ids) == tokenizer.decode(ids, skip_special_tokens=True) == text  # bytes are not special
    assert len(tokenizer(" the picture", add_special_tokens=False)["input_ids"]) <= 3  # merges are learned


def test_the_template_renders_as_the_released_one(released):
    content = [{"type": "image"}, {"type": "text", "text": "What?"}]
    rendered = {
        release: AutoTokenizer.from_pretrained(released(release)).apply_chat_template(
            [{"role": "user", "content": content}],
            chat_template=json.loads((released(release) / "chat_template.json").read_text())["chat_template"],
            add_generation_prompt=True,
            tokenize=False,
        )
        for release in ("qwen2.5-vl-7b", "llava-1.5-7b")
    }
    assert rendered == {
        "qwen2.5-vl-7b": "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n"
        "<|vision_start|><|image_pad|><|vision_end|>What?<|im_end|>\n<|im_start|>assistant\n",
        "llava-1.5-7b": "USER: <image>\nWhat? ASSISTANT:",
    }


def test_decoding_settings_and_classes_are_the_published_ones(released):
    settings = json.loads((released("qwen2.5-vl-7b") / "generation_config.json").read_text())
    assert (settings["do_sample"], settings["repetition_penalty"], settings["temperature"]) == (True, 1.05, 1e-06)
    for release, name in (("qwen2.5-vl-3b", "Qwen2VLImageProcessor"), ("llava-1.5-7b", "CLIPImageProcessor")):
        pictures = json.loads((released(release) / "preprocessor_config.json").read_text())
        assert pictures["image_processor_type"] == name


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"release": "gpt-9"}, "release"),
        ({"dtype": "int8"}, "dtype"),
        ({"shards": 0}, "shards"),
        ({"release": "llava-1.5-7b", "tied": True}, "tied"),
        ({"sizes": {"depth": 3}}, "sizes"),
        ({"sizes": {"layers": 0}}, "layers"),
        ({"sizes": {"layers": "2"}}, "layers"),
        ({"sizes": {"hidden": 100}}, "hidden"),
        ({"sizes": {**SMALL, "heads": 16}}, "hidden"),
        ({"sizes": {**SMALL, "kv_heads": 3}}, "heads"),
        ({"sizes": {**SMALL, "vocabulary": 700}}, "vocabulary"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, arguments, named):
    with pytest.raises(UsageError, match=f"^`{named}`"):
        realistic_checkpoint(tmp_path, **arguments)
