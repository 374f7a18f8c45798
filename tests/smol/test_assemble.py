"""Language model, eyes and adapter become a plain LLaVA checkpoint."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import trimtab
from tests.smol.conftest import Stand
from tests.smol.tiny import SCALE, write_eyes
from trimtab.errors import UsageError
from trimtab.models import Model
from trimtab.smol import IMAGE_TOKEN, assemble, convert


@pytest.fixture(scope="module")
def language(stand: Stand, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return convert(stand.gguf, tmp_path_factory.mktemp("language") / "tiny", sha256=stand.sha256)


@pytest.fixture(scope="module")
def model(stand: Stand, language: Path, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return trimtab.load(assemble(language, stand.eyes, tmp_path_factory.mktemp("whole") / "llava"))


def test_it_loads_and_passes_its_self_check(model: Model):
    assert model.family.name == "llava"
    assert model.hf.dtype == torch.bfloat16
    assert model.report.photo_tokens == 49


def test_the_adapter_is_added_in_float32(stand: Stand, model: Model):
    eyes, held = load_file(stand.eyes), model.hf.model.language_model.state_dict()
    for name, weight in stand.weights.items():
        linear = f"adapter.{name.removesuffix('.weight')}"
        expected = weight.bfloat16().float()
        if f"{linear}.down" in eyes:
            expected = expected + SCALE * (eyes[f"{linear}.up"].float() @ eyes[f"{linear}.down"].float())
        torch.testing.assert_close(held[name].float(), expected, rtol=2**-8, atol=1e-6)


def test_the_eyes_are_taken_as_they_are(stand: Stand, model: Model):
    for part in ("vision_tower", "multi_modal_projector"):
        held = getattr(model.hf.model, part).state_dict()
        for name, value in getattr(stand.model.model, part).state_dict().items():
            assert torch.equal(held[name], value.bfloat16()), name


def test_pictures_come_first_and_no_system_sentence_is_added(model: Model):
    words = cast(Any, model.tokenizer)
    turn = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, {"type": "image"}]}
    asked = f"<|im_start|>user\n{IMAGE_TOKEN}\nWhat is it?<|im_end|>\n"
    render = partial(words.apply_chat_template, tokenize=False)
    assert render([turn], add_generation_prompt=True) == f"{asked}<|im_start|>assistant\n"
    system, reply = {"role": "system", "content": "Be brief."}, {"role": "assistant", "content": "A cat"}
    assert render([system, turn, reply]) == (
        f"<|im_start|>system\nBe brief.<|im_end|>\n{asked}<|im_start|>assistant\nA cat<|im_end|>\n"
    )


def test_it_answers_about_a_picture(model: Model):
    prompt = trimtab.Prompt("What is it?", [Image.new("RGB", (40, 30), "red")])
    answers = trimtab.generate(model, [prompt], max_new_tokens=3).texts
    assert len(answers) == 1
    assert IMAGE_TOKEN not in answers[0]


def test_eyes_for_another_language_model_or_of_another_format_are_refused(stand: Stand, language: Path, tmp_path):
    other = write_eyes(tmp_path / "other.safetensors", stand.model, "0" * 64)
    with pytest.raises(
        UsageError, match=r"`eyes` must have been trained for the language model .* were for 000000000000"
    ):
        assemble(language, other, tmp_path / "out")
    later = write_eyes(tmp_path / "later.safetensors", stand.model, stand.sha256, format="2")
    with pytest.raises(UsageError, match=r"`eyes` must be of format 1; .* is of format 2"):
        assemble(language, later, tmp_path / "out")
    assert not (tmp_path / "out").exists()
