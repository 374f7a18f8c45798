"""Clips shown to LLaVA-OneVision: every frame in small, alone and beside pictures, of several lengths in a batch."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers.models.llava_onevision.processing_llava_onevision import LlavaOnevisionProcessor

from tests.engine.test_contract import assert_same
from trimtab import load
from trimtab.engine import AddVector, BlockAttention, Prompt, Row, ScaleHeads, encode, generate, inputs, run
from trimtab.errors import UnsupportedModelError
from trimtab.media import Clip
from trimtab.models import Model, from_parts, save_processors
from trimtab.testing import clip, picture, tiny_model


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model("llava_onevision")


def asked(*clips: Clip, images: tuple = (), context: str | None = None) -> Prompt:
    return Prompt("What is it?", images, context, media={"video": clips})


def prompts() -> list[Prompt]:
    return [
        asked(clip(1, 4)),
        asked(clip(2, 3, (84, 56)), clip(3, 3), context="Two cats play."),
        asked(clip(4, 1, (200, 90)), images=(picture(1, (84, 56)),)),
        asked(clip(5, 2), images=(picture(1, (84, 56)), picture(2))),
        Prompt("What is it?", (picture(1, (84, 56)), picture(2))),
    ]


def test_fast_path_is_the_models_own_forward_and_generate(model):
    fast, plain = run(model, prompts()).logits, run(model, prompts(), reuse=False).logits
    assert_same(fast, plain)
    assert_same(fast, torch.cat([run(model, [prompt]).logits for prompt in prompts()]))
    answers = generate(model, prompts(), max_new_tokens=5)
    assert answers.tokens == generate(model, prompts(), max_new_tokens=5, reuse=False).tokens
    hf: Any = model.hf
    alike = [asked(clip(seed, 3), images=(picture(seed),) * seed) for seed in (1, 2)]
    with torch.no_grad():
        assert_same(hf(**inputs(model, alike)).logits[:, -1], run(model, alike).logits)


def test_edits_at_clips_equal_the_reference(model):
    prompt = prompts()[3]
    direction = torch.randn(model.hidden_size, generator=torch.Generator().manual_seed(0))
    rows = [
        Row(prompt, (AddVector(1, direction, 1.0, positions="all"),)),
        Row(prompt, (ScaleHeads(1, (0, 2), factor=0.0),)),
        Row(prompt, (BlockAttention(("video",), ("last",), layers=(1, 2)),)),
        Row(prompt, (BlockAttention(("image",), ("video",), layers=(1, 2)),)),
    ]
    found = run(model, rows)
    assert_same(found.logits, run(model, rows, reuse=False).logits)
    assert (found.logits - run(model, [Row(prompt)]).logits).abs().amax(-1).min() > 1e-4


def test_positions_are_as_many_as_its_own_processor_writes(model):
    own: Any = LlavaOnevisionProcessor.__new__(LlavaOnevisionProcessor)
    own.num_image_tokens, own.video_token = 16, "<video>"
    for frames in (1, 2, 5):
        shown = model.show("video", clip(frames, frames, (84, 56)))
        assert model.expand(shown) == own.replace_video_token(shown.tensors, 0)
        encoded = encode(model, asked(clip(frames, frames)))
        assert len(encoded.spans["video"]) == frames * 2 * 2 + 1


def test_a_frame_has_the_pixels_of_a_picture_in_small(model):
    """transformers scales frames by torchvision; the picture's own processor scales the same way by PIL."""
    shown = clip(1, 3, (84, 56))
    pixels = model.show("video", shown).tensors["pixel_values_videos"]
    own = model.image_processor(images=list(shown.frames), return_tensors="pt")["pixel_values"]
    assert torch.equal(pixels[0], own[:, 0])


def test_clips_of_other_lengths_in_one_prompt_are_refused_and_in_a_batch_are_not(model):
    with pytest.raises(UnsupportedModelError, match=r"equally long in video for family llava_onevision.*lengths 2, 3"):
        encode(model, asked(clip(1, 3), clip(2, 2)))
    with pytest.raises(UnsupportedModelError, match="equally long in video"):
        inputs(model, [asked(clip(1, 3)), asked(clip(2, 2))])


def test_a_saved_folder_takes_clips_and_one_that_leaves_out_frames_is_refused(model, tmp_path):
    model.hf.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    save_processors(model.processors, tmp_path)
    (tmp_path / "chat_template.jinja").write_text(model.chat_template)
    again = load(tmp_path, dtype="float32")
    assert_same(run(again, prompts()).logits, run(model, prompts()).logits)
    with pytest.raises(
        UnsupportedModelError, match="`do_sample_frames` of video_preprocessor_config.json must be false"
    ):
        model.family.clip_processor(model.image_processor, {"do_sample_frames": True})


def test_without_a_template_for_clips_it_is_shown_pictures(model):
    template = model.chat_template.replace("part.type == 'video'", "false")
    again = from_parts(model.hf, model.tokenizer, model.processors, template)
    assert again.modalities == ("image", "text")
