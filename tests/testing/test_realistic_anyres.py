"""LLaVA-1.6 and LLaVA-OneVision as released: what they are shown is what their own processors write and make."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
import transformers
from PIL.Image import Image
from transformers.processing_utils import ProcessorMixin

import trimtab
from tests.engine.test_contract import assert_same
from trimtab.engine import encode
from trimtab.models import Model
from trimtab.testing import clip, picture

RELEASES = (
    "llava-v1.6-vicuna-7b",
    "llava-v1.6-mistral-7b",
    "llava-onevision-qwen2-0.5b",
    "llava-onevision-qwen2-7b",
)
TURNS = {
    "llava-v1.6-vicuna-7b": "USER: <image>\nWhat? ASSISTANT:",
    "llava-v1.6-mistral-7b": "[INST] <image>\nWhat? [/INST]",
    "llava-onevision-qwen2-0.5b": "<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
    "llava-onevision-qwen2-7b": "<|im_start|>user\n<image>\nWhat?<|im_end|>\n<|im_start|>assistant\n",
}


@pytest.fixture(scope="module")
def loaded(released):
    """Models of small folders, each loaded once, with its self-check."""
    return cache(lambda release: trimtab.load(released(release), dtype="float32"))


def rendered(model: Model, images: int, text: str) -> str:
    content = [*[{"type": "image"}] * images, {"type": "text", "text": text}]
    turns = [{"role": "user", "content": content}]
    options = {"chat_template": model.chat_template, "add_generation_prompt": True, "tokenize": False}
    return str(model.tokenizer.apply_chat_template(turns, **options))


def own_inputs(folder: Path, model: Model, images: list[Image], text: str) -> dict[str, Any]:
    """What the processor that the folder names makes of a turn, given as its ``apply_chat_template`` gives it."""
    held = json.loads((folder / "processor_config.json").read_text())
    kind: Any = getattr(transformers, held.pop("processor_class"))
    unchecked = patch.object(ProcessorMixin, "check_argument_for_proper_class", lambda _self, _name, given: type(given))
    video = {"video_processor": None} if model.family.name == "llava_onevision" else {}
    with unchecked:
        processor = kind(image_processor=model.image_processor, tokenizer=model.tokenizer, **video, **held)
    return dict(processor(images=[images], text=[rendered(model, len(images), text)], return_tensors="pt"))


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("release", RELEASES)
def test_tokens_and_pixels_are_those_of_its_own_processor(released, loaded, release, number):
    model, images = loaded(release), [picture(seed, size) for seed, size in enumerate([(250, 170), (90, 400)])]
    prompt = trimtab.Prompt("What color is the cat?", images[:number], "The cat is red.")
    encoded = encode(model, prompt)
    own = own_inputs(released(release), model, images[:number], prompt.body()[0])
    assert encoded.ids.tolist() == own.pop("input_ids")[0].tolist()
    given = model.family.joined(encoded.media)
    for name, tensor in given.items():
        assert torch.equal(tensor, own[name])
    assert_same(trimtab.run(model, [prompt]).logits, trimtab.run(model, [prompt], reuse=False).logits)


@pytest.mark.parametrize("release", RELEASES)
def test_the_template_renders_as_the_released_one(loaded, release):
    model = loaded(release)
    assert rendered(model, 1, "What?").removeprefix("<s>") == TURNS[release]
    clips = ("video",) if "onevision" in release else ()
    assert model.modalities == ("image", "text", *clips)
    assert model.report.notes == ()


def test_released_llava_onevision_is_shown_clips(loaded):
    model = loaded("llava-onevision-qwen2-0.5b")
    prompt = trimtab.Prompt("What is it?", (picture(0),), media={"video": [clip(1, 3), clip(2, 3)]})
    assert len(encode(model, prompt).spans["video"]) == 2 * (3 * 4 * 4 + 1)
    assert_same(trimtab.run(model, [prompt]).logits, trimtab.run(model, [prompt], reuse=False).logits)
