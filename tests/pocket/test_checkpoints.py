"""The bundled models: small, complete, loadable offline, and able to see and read."""

from __future__ import annotations

import json

import pytest
import torch
from transformers import AutoImageProcessor, AutoModelForImageTextToText, AutoTokenizer

import trimtab
from trimtab import pocket
from trimtab.engine import Prompt, generate
from trimtab.items import judge, read_items
from trimtab.items.prompts import INSTRUCTIONS, prompt_for
from trimtab.modalities import PAIR, Modality

FILES = (
    "config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
    "chat_template.jinja", "preprocessor_config.json", "README.md",
)  # fmt: skip

pytestmark = pytest.mark.parametrize("name", pocket.CHECKPOINTS)


def test_folder_is_complete_and_small(name):
    folder = pocket.checkpoint(name)
    for file in FILES:
        assert (folder / file).is_file(), file
        assert (folder / file).stat().st_size <= 20e6


def test_loads_offline_with_at_most_ten_million_parameters(name, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    model = AutoModelForImageTextToText.from_pretrained(pocket.checkpoint(name), dtype=torch.float32)
    assert sum(parameter.numel() for parameter in model.parameters()) <= 10e6
    text = model.config.get_text_config()
    assert text.num_hidden_layers == 12
    assert text.num_attention_heads == 8
    assert text.hidden_size // text.num_attention_heads == 32
    assert (text.num_key_value_heads < 8) == (name == "pocket-qwen")


def test_image_tokens_are_few(name):
    folder = pocket.checkpoint(name)
    processor = AutoImageProcessor.from_pretrained(folder, backend="pil")
    picture = pocket.items("validation")[0].scene.render()
    pixels = processor(images=[picture], return_tensors="pt")
    config = json.loads((folder / "config.json").read_text())
    if name == "pocket-qwen":
        assert int(pixels["image_grid_thw"].prod()) // processor.merge_size**2 <= 64
    else:
        assert config["image_seq_length"] <= 64


def test_chat_template_takes_message_parts(name):
    tokenizer = AutoTokenizer.from_pretrained(pocket.checkpoint(name))
    parts = [{"type": "image"}, {"type": "text", "text": "What is this?"}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": parts}], add_generation_prompt=True, tokenize=False
    )
    expected = {
        "pocket-qwen": "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What is this?<|im_end|>\n"
        "<|im_start|>assistant\n",
        "pocket-llava": "USER: <image>\nWhat is this? ASSISTANT:",
    }
    assert text == expected[name]


def test_texts_survive_the_tokenizer(name):
    tokenizer = AutoTokenizer.from_pretrained(pocket.checkpoint(name))
    for item in pocket.items("validation")[:40]:
        ids = tokenizer(item.context, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids) == item.context


def test_sees_reads_and_heeds_an_instruction(name):
    """A smoke test on 64 items; the model card has the numbers of all of them."""
    model = trimtab.load(name)
    items = read_items("pocket-mc2:test")[::32][:64]

    def share(prompts: list[Prompt], target: Modality) -> float:
        replies = generate(model, prompts, max_new_tokens=8, batch_size=32).texts
        return sum(judge(reply, item).label == target for reply, item in zip(replies, items, strict=True)) / len(items)

    assert share([prompt_for(item, without=("text",)) for item in items], "image") > 0.85
    assert share([prompt_for(item, without=("image",)) for item in items], "text") > 0.8
    plain = [share([prompt_for(item) for item in items], target) for target in PAIR]
    told = [share([prompt_for(item, instruction=INSTRUCTIONS[m]) for item in items], m) for m in PAIR]
    assert sum(told) > sum(plain) + 0.3
